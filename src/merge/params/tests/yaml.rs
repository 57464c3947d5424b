use super::{Case, Syntax, check, check_refused};

#[test]
fn cases() {
    check(Syntax::Yaml, CASES);
}

#[test]
fn what_cannot_be_edited_safely_is_refused() {
    check_refused(
        Syntax::Yaml,
        &[
            "",
            "# nothing\n",
            "- 1\n",
            "a: &x 1\n",
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "a: 1\n---\nb: 2\n",
            "a: 1\na: 2\n",
            "? a\n: 1\n",
            "[1, 2]: 3\n",
            "a: [1\n",
            "\ta: 1\n",
        ],
    );
}

const CASES: &[Case] = &[
    Case {
        name: "neighbours changed on either side, comments stay",
        base: "# run\nlr: 0.1  # tuned\nepochs: 3\n",
        ours: "# run\nlr: 1e-2  # tuned\nepochs: 3   # few\n",
        theirs: "# run\nlr: 0.1  # tuned\nepochs: 5  # more\n",
        expected: "# run\nlr: 1e-2  # tuned\nepochs: 5   # few\n",
        conflicts: &[],
    },
    Case {
        name: "a number spelled anew is not changed, a string is no number",
        base: "lr: 1e-4\nid: 17\nname: adam\n",
        ours: "lr: 0.0001\nid: 17\nname: 'adam'\n",
        theirs: "lr: 1.0e-4\nid: '17'\nname: adam\n",
        expected: "lr: 0.0001\nid: '17'\nname: 'adam'\n",
        conflicts: &[],
    },
    Case {
        name: "nested, behind a document start",
        base: "---\nmodel:\n  depth: 2\n  width: 8\n\ndata:\n    path: x\n",
        ours: "---\nmodel:\n  depth: 3\n  width: 8\n\ndata:\n    path: x\n",
        theirs: "---\nmodel:\n  depth: 2\n  width: 16\n\ndata:\n    path: y\n    # how many\n    workers: 4\n",
        expected: "---\nmodel:\n  depth: 3\n  width: 16\n\ndata:\n    path: y\n    # how many\n    workers: 4\n",
        conflicts: &[],
    },
    Case {
        name: "both add, with comments and empty lines, indented as ours",
        base: "a:\n  x: 1\n\nz: 1\n",
        ours: "a:\n    x: 1\n    y: 2\n\nz: 1\n",
        theirs: "a:\n  x: 1\n  # deep\n  w:\n    - 1\n    - k: 2\n      l: 3\n\n# new\nm: |\n  text\n\n  more\n\nz: 1\n",
        expected: "a:\n    x: 1\n    y: 2\n    # deep\n    w:\n      - 1\n      - k: 2\n        l: 3\n\n# new\nm: |\n  text\n\n  more\n\nz: 1\n",
        conflicts: &[],
    },
    Case {
        name: "removed with its comment and one group of empty lines",
        base: "a: 1\n\n# about b\nb: 1\n\nc: 1\nd: 1\n",
        ours: "a: 2\n\n# about b\nb: 1\n\nc: 1\nd: 1\n",
        theirs: "a: 1\n\nc: 1\n",
        expected: "a: 2\n\nc: 1\n",
        conflicts: &[],
    },
    Case {
        name: "the comment of the file stays when its first key goes or another comes before it",
        base: "# the run\na: 1\nb: 1\n",
        ours: "# the run\na: 1\nb: 2\n",
        theirs: "# the run\nseed: 0\nb: 1\n",
        expected: "# the run\nseed: 0\nb: 2\n",
        conflicts: &[],
    },
    Case {
        name: "a scalar becomes a map, a map a scalar, nothing a value",
        base: "a: 1  # note\nb:\n  x: 1\nc:\nd: 1\n",
        ours: "a: 1  # note\nb:\n  x: 1\nc:\nd: 2\n",
        theirs: "a:\n  y: 1\nb: 2\nc: 3\nd: 1\n",
        expected: "a:\n  y: 1\nb: 2\nc: 3\nd: 2\n",
        conflicts: &[],
    },
    Case {
        name: "flow maps",
        base: "opt: {name: adam, betas: [0.9, 0.99]}\nb: 1\n",
        ours: "opt: {name: adamw, betas: [0.9, 0.99]}  # ours\nb: 1\n",
        theirs: "opt: {name: adam, betas: [0.9, 0.999], eps: 1e-8}\nb: 1\n",
        expected: "opt: {name: adamw, betas: [0.9, 0.999], eps: 1e-8}  # ours\nb: 1\n",
        conflicts: &[],
    },
    Case {
        name: "conflicts of values",
        base: "a: 1\nb: [1]\nc: 1\n",
        ours: "a: 2  # two\nb: [2]\nc: 1\n",
        theirs: "a: 3  # three\nb:\n  - 3\nc: 1\n",
        expected: "<<<<<<< ours\na: 2  # two\n=======\na: 3  # three\n>>>>>>> theirs\n<<<<<<< ours\nb: [2]\n=======\nb:\n  - 3\n>>>>>>> theirs\nc: 1\n",
        conflicts: &["a", "b"],
    },
    Case {
        name: "removed and changed, nested and not",
        base: "m:\n  a: 1\n  b: 1\nc: 1\n",
        ours: "m:\n  a: 2\n  b: 1\n",
        theirs: "m:\n  b: 1\nc: 2\n",
        expected: "m:\n<<<<<<< ours\n  a: 2\n=======\n>>>>>>> theirs\n  b: 1\n<<<<<<< ours\n=======\nc: 2\n>>>>>>> theirs\n",
        conflicts: &["m.a", "c"],
    },
    Case {
        name: "keys beyond ASCII",
        base: "größe: 1\nλ: é\n",
        ours: "größe: 2\nλ: é\n",
        theirs: "größe: 1\nλ: ü\n学习: ü\n",
        expected: "größe: 2\nλ: ü\n学习: ü\n",
        conflicts: &[],
    },
    Case {
        name: "lists not indented below their key",
        base: "a:\n- 1\n- 2\nb: 1\n",
        ours: "a:\n- 1\n- 2\nb: 2\n",
        theirs: "a:\n- 1\n-\n- x: 2\n  y: 3\nb: 1\n",
        expected: "a:\n- 1\n-\n- x: 2\n  y: 3\nb: 2\n",
        conflicts: &[],
    },
    Case {
        name: "comments go along when a key is renamed",
        base: "a:\n  x: 1\n  # how fast\n  lr: 1\n  z: 1\nb:\n  y: 1\n",
        ours: "a:\n  x: 2\n  # how fast\n  lr: 1\n  z: 1\nb:\n  y: 1\n",
        theirs: "a:\n  x: 1\n  # how fast\n  learning_rate: 1\n  z: 1\nb:\n  y: 1\n",
        expected: "a:\n  x: 2\n  # how fast\n  learning_rate: 1\n  z: 1\nb:\n  y: 1\n",
        conflicts: &[],
    },
    Case {
        name: "comments go along when a key is moved into another map",
        base: "a:\n  x: 1\n  # how fast\n  lr: 1\nb:\n  y: 1\n",
        ours: "a:\n  x: 2\n  # how fast\n  lr: 1\nb:\n  y: 1\n",
        theirs: "a:\n  x: 1\nb:\n  y: 1\n  # how fast\n  lr: 1\n",
        expected: "a:\n  x: 2\nb:\n  y: 1\n  # how fast\n  lr: 1\n",
        conflicts: &[],
    },
    Case {
        name: "a comment stays that a new key stands under, or that is left when its key goes",
        base: "a: 1\n# optimizer\nlr: 1\nb: 1\n# loader\nworkers: 1\nbatch: 1\n",
        ours: "a: 2\n# optimizer\nlr: 1\nb: 1\n# loader\nworkers: 1\nbatch: 1\n",
        theirs: "a: 1\n# optimizer\nkind: adam\nlr: 1\nb: 1\n# loader\nbatch: 1\n",
        expected: "a: 2\n# optimizer\nkind: adam\nlr: 1\nb: 1\n# loader\nbatch: 1\n",
        conflicts: &[],
    },
];
