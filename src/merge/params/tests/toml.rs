use super::{Case, Syntax, check, check_refused, merged};

#[test]
fn cases() {
    check(Syntax::Toml, CASES);
}

#[test]
fn what_cannot_be_edited_safely_is_refused() {
    check_refused(
        Syntax::Toml,
        &[
            "a",
            "a = 1\na = 2\n",
            "[a]\n[b]\n[a.c]\n",
            "[[a]]\n[b]\n[[a]]\n",
            "a.x = 1\nb = 2\na.y = 3\n",
            "t = {a.b = 1}\n",
        ],
    );
}

#[test]
fn a_key_for_a_table_without_header_is_left_to_git() {
    assert_eq!(merged(Syntax::Toml, "[a.b]\nx = 1\n", "[a.b]\nx = 2\n", "[a]\ny = 1\n[a.b]\nx = 1\n"), None);
}

#[test]
fn a_value_against_a_table_is_left_to_git() {
    let (ours, theirs) = ("b = 1\n\n[x]\n\n[a]\ny = 1\n", "b = 1\na = 2\n\n[x]\n");
    assert_eq!(merged(Syntax::Toml, "b = 1\n\n[x]\n", ours, theirs), None);
}

const CASES: &[Case] = &[
    Case {
        name: "neighbours changed on either side, comments and spelling stay",
        base: "# run\nlr = 1e-3 # tuned\nepochs = 3\n",
        ours: "# run\nlr   = 0.0010 # tuned\nepochs = 4 # ours\n",
        theirs: "# run\nlr = 1e-3\nepochs = 3\nseed = 1_000\n",
        expected: "# run\nlr   = 0.0010 # tuned\nepochs = 4 # ours\nseed = 1_000\n",
        conflicts: &[],
    },
    Case {
        name: "tables",
        base: "name = \"x\"\n\n[opt]\nlr = 0.1\nwarmup = 1\n\n[data]\npath = \"d\"\n",
        ours: "name = \"x\"\n\n[opt]\nlr = 0.2\nwarmup = 1\n\n[data]\npath = \"d\"\n",
        theirs: "name = \"y\"\n\n[opt]\nlr = 0.1\n\n# how it is cut\n[opt.schedule]\nkind = \"cosine\"\n\n[data]\npath = \"d\"\nshuffle = true\n\n[log]\nevery = 10\n",
        expected: "name = \"y\"\n\n[opt]\nlr = 0.2\n\n# how it is cut\n[opt.schedule]\nkind = \"cosine\"\n\n[data]\npath = \"d\"\nshuffle = true\n\n[log]\nevery = 10\n",
        conflicts: &[],
    },
    Case {
        name: "a table goes, a key comes before all tables",
        base: "[a]\nx = 1\n\n# old\n[b]\ny = 1\n\n[c]\nz = 1\n",
        ours: "[a]\nx = 2\n\n# old\n[b]\ny = 1\n\n[c]\nz = 1\n",
        theirs: "seed = 1\n\n[a]\nx = 1\n\n[c]\nz = 1\n",
        expected: "seed = 1\n\n[a]\nx = 2\n\n[c]\nz = 1\n",
        conflicts: &[],
    },
    Case {
        name: "inline tables, dotted keys, dates, long strings",
        base: "t = { a = 1, b = 2 }\nd.x = 1\nd.y = 1\nwhen = 2024-01-01\ns = '''\n# no comment'''\nlast = 1\n",
        ours: "t = { a = 10, b = 2 }\nd.x = 2\nd.y = 1\nwhen = 2024-01-01\ns = '''\n# no comment'''\nlast = 1\n",
        theirs: "t = { a = 1, c = 3 }\nd.x = 1\nd.y = 2\nd.z = 3\nwhen = 2024-01-02\ns = '''\n# no comment'''\nlast = 2\n",
        expected: "t = { a = 10, c = 3 }\nd.x = 2\nd.y = 2\nd.z = 3\nwhen = 2024-01-02\ns = '''\n# no comment'''\nlast = 2\n",
        conflicts: &[],
    },
    Case {
        name: "arrays of tables are values",
        base: "a = 1\n\n[[stage]]\nlr = 1.0\n\n[[stage]]\nlr = 2.0\n\n[z]\n",
        ours: "a = 2\n\n[[stage]]\nlr = 1.0\n\n[[stage]]\nlr = 2.0\n\n[z]\n",
        theirs: "a = 1\n\n[[stage]]\nlr = 3.0\n[stage.more]\nx = 1\n\n[z]\n",
        expected: "a = 2\n\n[[stage]]\nlr = 3.0\n[stage.more]\nx = 1\n\n[z]\n",
        conflicts: &[],
    },
    Case {
        name: "conflicts",
        base: "a = 1\n\n[t]\nx = [1]\ny = 1\n",
        ours: "a = 2\n\n[t]\nx = [\n  1,\n  2,\n]\n",
        theirs: "a = 2\n\n[t]\nx = [3]\ny = 2\n",
        expected: "a = 2\n\n[t]\n<<<<<<< ours\nx = [\n  1,\n  2,\n]\n=======\nx = [3]\n>>>>>>> theirs\n<<<<<<< ours\n=======\ny = 2\n>>>>>>> theirs\n",
        conflicts: &["t.x", "t.y"],
    },
    Case {
        name: "an integer is no float",
        base: "a = 1\nb = 1.0\n",
        ours: "a = 1.0\nb = 1.00\n",
        theirs: "a = 2\nb = 2.0\n",
        expected: "<<<<<<< ours\na = 1.0\n=======\na = 2\n>>>>>>> theirs\nb = 2.0\n",
        conflicts: &["a"],
    },
    Case {
        name: "an empty file, an empty table",
        base: "[t]\n",
        ours: "[t]\n",
        theirs: "top = 1\n[t]\nx = 1\n",
        expected: "top = 1\n[t]\nx = 1\n",
        conflicts: &[],
    },
    Case {
        name: "a value becomes a table, a table a value",
        base: "a = 1\nb = 1\n\n[t]\nx = 1\n\n[u]\n",
        ours: "a = 1\nb = 2\n\n[t]\nx = 1\n\n[u]\n",
        theirs: "b = 1\nu = 3\n\n[t]\nx = 1\n\n[a]\ny = 1\n",
        expected: "b = 2\nu = 3\n\n[t]\nx = 1\n\n[a]\ny = 1\n",
        conflicts: &[],
    },
    Case {
        name: "the path of a conflict in a table whose parent has no header",
        base: "[t.\"a.b\".u]\nx = 1\n",
        ours: "[t.\"a.b\".u]\nx = 2\n",
        theirs: "[t.\"a.b\".u]\nx = 3\n",
        expected: "[t.\"a.b\".u]\n<<<<<<< ours\nx = 2\n=======\nx = 3\n>>>>>>> theirs\n",
        conflicts: &["t.\"a.b\".u.x"],
    },
];
