//! Pickles written by hand, and what comes out of them.

use proptest::prelude::*;

use super::*;

pub(in crate::format) fn pickle(program: &[u8]) -> Vec<u8> {
    [b"\x80\x02", program, b"."].concat()
}

/// BINUNICODE.
pub(in crate::format) fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// LONG1 of eight bytes.
pub(in crate::format) fn int(value: i64) -> Vec<u8> {
    [b"\x8a\x08", &value.to_le_bytes()[..]].concat()
}

/// MARK, the elements, TUPLE.
pub(in crate::format) fn tuple(elements: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &elements.concat()[..], b"t"].concat()
}

/// EMPTY_DICT, MARK, keys and values, SETITEMS.
pub(in crate::format) fn dict(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<u8> = entries.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect();
    [b"}(", &entries[..], b"u"].concat()
}

/// GLOBAL, the arguments, REDUCE.
pub(in crate::format) fn reduce(module: &str, name: &str, args: &[Vec<u8>]) -> Vec<u8> {
    [format!("c{module}\n{name}\n").as_bytes(), &tuple(args), b"R"].concat()
}

fn error(bytes: &[u8]) -> String {
    Pickle::read(bytes).expect_err("malformed").0
}

#[test]
fn scalars_keep_what_is_needed() {
    let cases: [(&[u8], Value<'_>); 13] = [
        (b"N", Value::Scalar),
        (b"\x88", Value::Scalar),
        (b"G12345678", Value::Scalar),
        (b"K\xff", Value::Int(255)),
        (b"M\x00\x01", Value::Int(256)),
        (b"J\xfe\xff\xff\xff", Value::Int(-2)),
        (b"\x8a\x00", Value::Int(0)),
        (b"\x8a\x05\x00\x00\x00\x00\x01", Value::Int(1 << 32)),
        (b"\x8a\x09123456789", Value::Scalar),
        (b"\x8c\x02hi", Value::Text("hi")),
        (b"\x8d\x02\0\0\0\0\0\0\0hi", Value::Text("hi")),
        (b"X\x03\0\0\0\xed\xa0\x80", Value::Scalar),
        (b"\x96\x02\0\0\0\0\0\0\0hi", Value::Scalar),
    ];
    for (program, expected) in cases {
        let bytes = pickle(program);
        assert_eq!(Pickle::read(&bytes).expect("well-formed").root, expected, "{program:?}");
    }
}

#[test]
fn containers_share_nodes_through_the_memo() {
    // A list in a dict that is appended to after it was memoized, and stands there twice.
    let bytes = pickle(b"}(X\x01\0\0\0a]q\x01K\x07aX\x01\0\0\0bh\x01u");
    let pickle = Pickle::read(&bytes).expect("well-formed");
    let Some(Node::Dict(entries)) = pickle.node(pickle.root) else { panic!("{pickle:?}") };
    assert_eq!((entries[0].0, entries[1].0), (Value::Text("a"), Value::Text("b")));
    assert_eq!(entries[0].1, entries[1].1);
    assert_eq!(pickle.sequence(entries[0].1), Some(&[Value::Int(7)][..]));
}

#[test]
fn calls_are_kept_and_not_made() {
    let bytes = pickle(&[&reduce("os", "system", &[text("rm -rf /")])[..], b"}b"].concat());
    let pickle = Pickle::read(&bytes).expect("well-formed");
    let Some(Node::Object(object)) = pickle.node(pickle.root) else { panic!("{pickle:?}") };
    assert_eq!(pickle.global(object.callable), Some(("os", "system")));
    assert_eq!(pickle.sequence(object.args), Some(&[Value::Text("rm -rf /")][..]));
    assert!(matches!(pickle.node(object.state), Some(Node::Dict(_))));
}

#[test]
fn protocol_four_names_and_memo() {
    let bytes = pickle(b"\x95\0\0\0\0\0\0\0\0\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94h\x00K\x01s");
    let pickle = Pickle::read(&bytes).expect("well-formed");
    assert_eq!(pickle.node(pickle.root), Some(&Node::Dict(vec![(Value::Text("collections"), Value::Int(1))])));
}

#[test]
fn broken_programs_are_malformed() {
    let cases: [(&[u8], &str); 14] = [
        (b"", "cut short"),
        (b"\x80\x06N.", "protocol 6"),
        (b".", "stack is empty"),
        (b"N(.", "stack is empty"),
        (b"N(\x85.", "stack is empty"),
        (b"t.", "mark is missing"),
        (b"}(Nu.", "key has no value"),
        (b"N(Nu.", "key has no value"),
        (b"NNa.", "scalar has no parts"),
        (b"}Na.", "no list"),
        (b"h\x05.", "memo lacks"),
        (b"NN\x93.", "no name"),
        (b"X\xff\xff\xff\xffabc", "cut short"),
        (b"I1\n.", "0x49"),
    ];
    for (program, expected) in cases {
        assert!(error(program).contains(expected), "{program:?}: {}", error(program));
    }
}

#[test]
fn large_programs_are_given_up() {
    let cases = [(b'N', "too large"), (b']', "too large"), (b'(', "too long")];
    for (opcode, expected) in cases {
        assert!(error(&vec![opcode; STEPS_MAX + 1]).contains(expected), "{opcode}");
    }
    // A length is nothing to allocate from.
    assert!(error(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff").contains("cut short"));
}

#[test]
fn depth_costs_no_call_stack() {
    let depth = 500_000;
    let bytes = pickle(&[&b"]".repeat(depth)[..], &b"a".repeat(depth - 1)].concat());
    assert_eq!(Pickle::read(&bytes).expect("well-formed").len(), depth);
}

proptest! {
    #[test]
    fn noise_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Pickle::read(&bytes);
    }

    #[test]
    fn opcodes_in_any_order_are_survived(bytes in prop::collection::vec(
        prop::sample::select(&b"N(}])tuelsabR.Q012K\x01h\x00q\x00\x85\x86\x87\x93\x94\x81\x92X\x01\0\0\0ac\n\n"[..]),
        0..100,
    )) {
        let _ = Pickle::read(&bytes);
    }
}
