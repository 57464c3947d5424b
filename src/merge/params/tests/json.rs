use super::{Case, Syntax, check, check_refused};

#[test]
fn cases() {
    check(Syntax::Json, CASES);
}

#[test]
fn what_is_not_json_is_refused() {
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(200), "]".repeat(200));
    check_refused(
        Syntax::Json,
        &["", "{", "[1]", "1", "{\"a\": 1, \"a\": 2}", "{\"a\": 1,}", "{\"a\": 1} // note", "{'a': 1}", "{}{}", &deep],
    );
}

const CASES: &[Case] = &[
    Case {
        name: "neighbours changed on either side",
        base: "{\n  \"lr\": 0.1,\n  \"epochs\": 3\n}\n",
        ours: "{\n  \"lr\": 1e-2,\n  \"epochs\": 3\n}\n",
        theirs: "{\n  \"lr\": 0.1,\n  \"epochs\": 5\n}\n",
        expected: "{\n  \"lr\": 1e-2,\n  \"epochs\": 5\n}\n",
        conflicts: &[],
    },
    Case {
        name: "a number spelled anew is not changed",
        base: "{\"lr\": 0.0001, \"loss\": NaN}",
        ours: "{\"lr\": 1e-4, \"loss\": NaN}",
        theirs: "{\"lr\": 0.00010, \"loss\": -Infinity}",
        expected: "{\"lr\": 1e-4, \"loss\": -Infinity}",
        conflicts: &[],
    },
    Case {
        name: "both add keys at the end",
        base: "{\n  \"a\": 1\n}\n",
        ours: "{\n  \"a\": 1,\n  \"b\": 2\n}\n",
        theirs: "{\n  \"a\": 1,\n  \"c\": 3\n}\n",
        expected: "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n",
        conflicts: &[],
    },
    Case {
        name: "a key is inserted behind the one it follows, one first",
        base: "{\n  \"a\": 1,\n  \"z\": 1\n}\n",
        ours: "{\n  \"a\": 2,\n  \"z\": 1\n}\n",
        theirs: "{\n  \"first\": 0,\n  \"a\": 1,\n  \"b\": {\n    \"c\": 1\n  },\n  \"z\": 1\n}\n",
        expected: "{\n  \"first\": 0,\n  \"a\": 2,\n  \"b\": {\n    \"c\": 1\n  },\n  \"z\": 1\n}\n",
        conflicts: &[],
    },
    Case {
        name: "what is inserted is indented as ours is",
        base: "{\n  \"m\": {\n    \"a\": 1\n  }\n}\n",
        ours: "{\n\t\"m\": {\n\t\t\"a\": 2\n\t}\n}\n",
        theirs: "{\n  \"m\": {\n    \"a\": 1,\n    \"b\": {\n      \"c\": [\n        1\n      ]\n    }\n  }\n}\n",
        expected: "{\n\t\"m\": {\n\t\t\"a\": 2,\n\t\t\"b\": {\n\t\t\t\"c\": [\n\t\t\t\t1\n\t\t\t]\n\t\t}\n\t}\n}\n",
        conflicts: &[],
    },
    Case {
        name: "first, middle and last key removed",
        base: "{\n  \"a\": 1,\n  \"b\": 1,\n  \"c\": 1,\n  \"d\": 1,\n  \"e\": 1\n}\n",
        ours: "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 1,\n  \"d\": 2,\n  \"e\": 1\n}\n",
        theirs: "{\n  \"b\": 1,\n  \"d\": 1\n}\n",
        expected: "{\n  \"b\": 2,\n  \"d\": 2\n}\n",
        conflicts: &[],
    },
    Case {
        name: "one line: removed, added, changed",
        base: "{\"a\": 1, \"b\": 2, \"c\": 3}",
        ours: "{\"a\": 1, \"b\": 20, \"c\": 3}",
        theirs: "{\"b\": 2, \"c\": 30, \"d\": 4}",
        expected: "{\"b\": 20, \"c\": 30, \"d\": 4}",
        conflicts: &[],
    },
    Case {
        name: "everything removed, something put into nothing",
        base: "{\n  \"a\": {\"x\": 1},\n  \"b\": {}\n}\n",
        ours: "{\n  \"a\": {\"x\": 1},\n  \"b\": {}\n}\n",
        theirs: "{\n  \"a\": {},\n  \"b\": {\n    \"y\": 1\n  }\n}\n",
        expected: "{\n  \"a\": {},\n  \"b\": {\n    \"y\": 1\n  }\n}\n",
        conflicts: &[],
    },
    Case {
        name: "conflict of values",
        base: "{\n  \"lr\": 1,\n  \"net\": {\n    \"depth\": 1,\n    \"width\": 1\n  }\n}\n",
        ours: "{\n  \"lr\": 2,\n  \"net\": {\n    \"depth\": 2,\n    \"width\": 2\n  }\n}\n",
        theirs: "{\n  \"lr\": 1,\n  \"net\": {\n    \"depth\": 3,\n    \"width\": 2\n  }\n}\n",
        expected: "{\n  \"lr\": 2,\n  \"net\": {\n<<<<<<< ours\n    \"depth\": 2,\n=======\n    \"depth\": 3,\n>>>>>>> theirs\n    \"width\": 2\n  }\n}\n",
        conflicts: &["net.depth"],
    },
    Case {
        name: "conflict in one line keeps what is merged beside it on either side",
        base: "{\"a\": 1, \"b\": 1, \"c\": 1}\n",
        ours: "{\"a\": 2, \"b\": 2, \"c\": 1}\n",
        theirs: "{\"a\": 1, \"b\": 3, \"c\": 3}\n",
        expected: "<<<<<<< ours\n{\"a\": 2, \"b\": 2, \"c\": 3}\n=======\n{\"a\": 2, \"b\": 3, \"c\": 3}\n>>>>>>> theirs\n",
        conflicts: &["b"],
    },
    Case {
        name: "removed here, changed there, in the middle",
        base: "{\n  \"a\": 1,\n  \"b.c\": 1,\n  \"d\": 1\n}\n",
        ours: "{\n  \"a\": 1,\n  \"d\": 1\n}\n",
        theirs: "{\n  \"a\": 1,\n  \"b.c\": 2,\n  \"d\": 1\n}\n",
        expected: "{\n  \"a\": 1,\n<<<<<<< ours\n=======\n  \"b.c\": 2,\n>>>>>>> theirs\n  \"d\": 1\n}\n",
        conflicts: &["\"b.c\""],
    },
    Case {
        name: "changed here, removed there, at the end: the comma before it is in the conflict",
        base: "{\n  \"a\": 1,\n  \"b\": 1\n}\n",
        ours: "{\n  \"a\": 1,\n  \"b\": 2\n}\n",
        theirs: "{\n  \"a\": 1\n}\n",
        expected: "{\n<<<<<<< ours\n  \"a\": 1,\n  \"b\": 2\n=======\n  \"a\": 1\n>>>>>>> theirs\n}\n",
        conflicts: &["b"],
    },
    Case {
        name: "both add the same key",
        base: "",
        ours: "{\n  \"a\": {\n    \"x\": 1,\n    \"y\": [1, 2.0]\n  }\n}\n",
        theirs: "{\n  \"a\": {\n    \"x\": 2,\n    \"y\": [1, 2],\n    \"z\": 0\n  }\n}\n",
        expected: "{\n  \"a\": {\n<<<<<<< ours\n    \"x\": 1,\n=======\n    \"x\": 2,\n>>>>>>> theirs\n    \"y\": [1, 2.0],\n    \"z\": 0\n  }\n}\n",
        conflicts: &["a.x"],
    },
    Case {
        name: "a list is a value",
        base: "{\n  \"l\": [\n    1\n  ]\n}\n",
        ours: "{\n  \"l\": [\n    1,\n    2\n  ]\n}\n",
        theirs: "{\n  \"l\": [3]\n}\n",
        expected: "{\n<<<<<<< ours\n  \"l\": [\n    1,\n    2\n  ]\n=======\n  \"l\": [3]\n>>>>>>> theirs\n}\n",
        conflicts: &["l"],
    },
];
