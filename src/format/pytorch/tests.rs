//! Checkpoints built by hand, as `torch.save` writes them.

use proptest::prelude::*;

use super::*;
use crate::format::pickle::tests::{dict, int, pickle, reduce, text, tuple};
use crate::format::zip::tests::{Packed, archive, deflated, stored};
use crate::format::{Bytes, Detected, NAME_BYTES_MAX, detect, tests::check_survives};

fn storage(class: &str, key: &str, elements: i64) -> Vec<u8> {
    let class = format!("ctorch\n{class}\n").into_bytes();
    [tuple(&[text("storage"), class, text(key), text("cpu"), int(elements)]), b"Q".to_vec()].concat()
}

fn ints(values: &[i64]) -> Vec<u8> {
    tuple(&values.iter().map(|&value| int(value)).collect::<Vec<_>>())
}

fn ordered_dict() -> Vec<u8> {
    reduce("collections", "OrderedDict", &[])
}

fn view(storage: Vec<u8>, offset: i64, shape: &[i64], stride: &[i64]) -> Vec<u8> {
    let args = [storage, int(offset), ints(shape), ints(stride), b"\x89".to_vec(), ordered_dict()];
    reduce("torch._utils", "_rebuild_tensor_v2", &args)
}

/// A tensor of `elements` floats that covers storage `key`.
fn floats(key: &str, elements: i64) -> Vec<u8> {
    view(storage("FloatStorage", key, elements), 0, &[elements], &[1])
}

fn parameter(tensor: Vec<u8>) -> Vec<u8> {
    reduce("torch._utils", "_rebuild_parameter", &[tensor, b"\x88".to_vec(), ordered_dict()])
}

/// A checkpoint with this pickle and one storage of eight bytes for each key, as many as there are.
fn checkpoint(program: &[u8], keys: &[&str]) -> Vec<u8> {
    let mut members = vec![stored("x/data.pkl", &pickle(program)), stored("x/byteorder", b"little")];
    members.extend(keys.iter().map(|key| stored(&format!("x/data/{key}"), &[1; 8])));
    members.push(stored("x/.data/serialization_id", b"123"));
    archive(&members)
}

/// The records as `name dtype shape`, in file order.
fn describe(bytes: &[u8]) -> Vec<String> {
    let layout = parse(&Bytes(bytes)).expect("well-formed").expect("a checkpoint");
    assert_eq!(layout.format, "pytorch");
    layout.records.iter().map(|record| format!("{} {} {:?}", record.name, record.dtype, record.shape)).collect()
}

fn entry(key: &str, value: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    (text(key), value)
}

#[test]
fn names_are_paths() {
    let state = dict(&[(int(0), dict(&[entry("exp_avg", floats("1", 2))]))]);
    let program = dict(&[
        entry(
            "model",
            dict(&[entry("fc.weight", parameter(view(storage("HalfStorage", "0", 4), 0, &[2, 2], &[2, 1])))]),
        ),
        entry("optimizer", dict(&[entry("state", state)])),
        entry("list", tuple(&[int(5), floats("2", 2)])),
    ]);
    assert_eq!(
        describe(&checkpoint(&program, &["0", "1", "2"])),
        ["model.fc.weight F16 [2, 2]", "optimizer.state.0.exp_avg F32 [2]", "list.1 F32 [2]"]
    );
}

#[test]
fn a_bare_tensor_has_its_storages_name_and_its_own_shape() {
    let bare = view(storage("FloatStorage", "0", 2), 0, &[2, 1], &[1, 1]);
    assert_eq!(describe(&checkpoint(&bare, &["0"])), ["storage/0 F32 [2, 1]"]);
}

#[test]
fn tied_tensors_are_one_record() {
    let program = dict(&[entry("embed", floats("0", 2)), entry("head", floats("0", 2))]);
    assert_eq!(describe(&checkpoint(&program, &["0"])), ["embed F32 [2]"]);
}

#[test]
fn only_a_whole_view_names_its_storage() {
    let float = |key| storage("FloatStorage", key, 2);
    let program = dict(&[
        entry("slice", view(float("0"), 1, &[1], &[1])),
        entry("part", view(float("1"), 0, &[1], &[1])),
        entry("later", view(float("1"), 0, &[2, 1], &[1, 7])),
        entry("strided", view(storage("LongStorage", "2", 1), 0, &[2], &[0])),
        entry("transposed", view(storage("ByteStorage", "3", 8), 0, &[2, 4], &[1, 2])),
    ]);
    assert_eq!(
        describe(&checkpoint(&program, &["0", "1", "2", "3"])),
        ["storage/0 F32 [2]", "later F32 [2, 1]", "storage/2 I64 [1]", "storage/3 U8 [8]"]
    );
}

#[test]
fn untyped_storages_get_the_type_of_their_tensor() {
    let class = |name: &str| format!("ctorch\n{name}\n").into_bytes();
    let tensor = |key, dtype, offset, shape: &[i64]| {
        let untyped = storage("UntypedStorage", key, 8);
        let args = [untyped, int(offset), ints(shape), ints(&[1]), b"\x89".to_vec(), ordered_dict(), class(dtype)];
        reduce("torch._utils", "_rebuild_tensor_v3", &args)
    };
    let program = dict(&[
        entry("a", tensor("0", "float8_e4m3fn", 0, &[8])),
        entry("b", tensor("1", "uint32", 0, &[2])),
        entry("c", tensor("2", "uint16", 1, &[3])),
        entry("d", tensor("3", "of_the_future", 0, &[4])),
    ]);
    assert_eq!(
        describe(&checkpoint(&program, &["0", "1", "2", "3"])),
        ["a F8_E4M3 [8]", "b U32 [2]", "storage/2 U16 [4]", "storage/3 U8 [8]"]
    );
}

#[test]
fn subclasses_are_unwrapped() {
    let inner = tuple(&[storage("FloatStorage", "0", 2), int(0), ints(&[2]), ints(&[1]), b"\x89".to_vec()]);
    let function = b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec();
    let class = b"cmine\nTensor\n".to_vec();
    let tensor = reduce("torch._tensor", "_rebuild_from_type_v2", &[function, class, inner, b"}".to_vec()]);
    assert_eq!(describe(&checkpoint(&dict(&[entry("w", parameter(tensor))]), &["0"])), ["w F32 [2]"]);
}

#[test]
fn modules_are_named_as_in_their_state_dict() {
    let object = |attributes: Vec<u8>| [b"cmine\nModule\n)\x81", &attributes[..], b"b"].concat();
    let inner = object(dict(&[entry("_parameters", dict(&[entry("weight", parameter(floats("0", 2)))]))]));
    let outer = object(dict(&[
        entry("_buffers", dict(&[entry("mean", floats("1", 2))])),
        entry("_modules", dict(&[entry("fc", inner)])),
        entry("cache", floats("2", 2)),
    ]));
    assert_eq!(describe(&checkpoint(&outer, &["0", "1", "2"])), ["fc.weight F32 [2]", "mean F32 [2]", "cache F32 [2]"]);
}

#[test]
fn names_that_can_not_be_used_are_not() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let program = dict(&[
        entry("a.b", floats("0", 2)),
        entry("a", dict(&[entry("b", floats("1", 2))])),
        entry("line\nend", floats("2", 2)),
        entry("storage/0", floats("3", 2)),
        entry(&long, floats("4", 2)),
        (tuple(&[int(1)]), floats("5", 2)),
    ]);
    let names = describe(&checkpoint(&program, &["0", "1", "2", "3", "4", "5"]));
    let expected: Vec<_> = (1..6).map(|key| format!("storage/{key} F32 [2]")).collect();
    assert_eq!((names[0].as_str(), &names[1..]), ("a.b F32 [2]", &expected[..]));
}

#[test]
fn cycles_and_depth_come_to_an_end() {
    let cycle = [b"}q\x01(", &text("self")[..], b"h\x01", &text("w"), &floats("0", 2), b"u"].concat();
    assert_eq!(describe(&checkpoint(&cycle, &["0"])), ["w F32 [2]"]);
    let deep = [&b"]".repeat(100_000)[..], &floats("0", 2), &b"a".repeat(100_000)].concat();
    assert_eq!(describe(&checkpoint(&deep, &["0"])), ["storage/0 F32 [2]"]);
}

#[test]
fn an_unreadable_pickle_leaves_plain_storages() {
    let tensor = pickle(&floats("0", 2));
    let cases = [
        [stored("x/data.pkl", b"I1\n."), stored("x/byteorder", b"little")],
        [deflated("x/data.pkl", &tensor), stored("x/byteorder", b"little")],
        [stored("x/data.pkl", &tensor), stored("x/byteorder", b"big")],
        // The pickle says eight bytes, and there are nine.
        [stored("x/data.pkl", &pickle(&floats("1", 2))), stored("x/data/1", &[0; 9])],
    ];
    for members in cases {
        let bytes = archive(&[&members[..], &[stored("x/data/0", &[1; 8])]].concat());
        for name in describe(&bytes) {
            assert!(name == "storage/0 U8 [8]" || name == "storage/1 U8 [9]", "{name}");
        }
    }
}

#[test]
fn constants_of_a_script_are_records_too() {
    let members = [
        stored("x/data.pkl", &pickle(&dict(&[entry("w", floats("0", 2))]))),
        stored("x/data/0", &[1; 8]),
        stored("x/constants.pkl", &pickle(&tuple(&[floats("0", 1)]))),
        stored("x/constants/0", &[1; 4]),
        stored("x/constants/1", &[1; 4]),
    ];
    assert_eq!(describe(&archive(&members)), ["w F32 [2]", "constants.0 F32 [1]", "constants/1 U8 [4]"]);
}

#[test]
fn compressed_storages() {
    let with = |len| {
        archive(&[stored("x/data.pkl", &pickle(b"N")), deflated("x/data/0", &vec![0; len]), stored("x/data/1", b"1")])
    };
    assert_eq!(describe(&with(100)), ["storage/1 U8 [1]"]);
    match detect(&Bytes(&with((1 << 20) + 1))).expect("readable") {
        Detected::Malformed { format: "pytorch", why } => assert!(why.0.contains("compressed"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_checkpoint_cut_short_is_named_as_one() {
    let bytes = checkpoint(&floats("0", 2), &["0"]);
    match detect(&Bytes(&bytes[..bytes.len() - 30])).expect("readable") {
        Detected::Malformed { format: "pytorch", why } => assert!(why.0.contains("cut short"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_archives_are_unknown() {
    for name in ["data.pkl", "/data.pkl", "a/b/data.pkl", "a/other.pkl"] {
        let members: &[Packed] = &[stored(name, b"N.")];
        assert_eq!(detect(&Bytes(&archive(members))).expect("readable"), Detected::Unknown, "{name}");
    }
}

proptest! {
    #[test]
    fn damage_is_survived(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in 0..9_usize) {
        let program = dict(&[
            entry("a", dict(&[(int(3), parameter(floats("0", 2)))])),
            entry("b", view(storage("UntypedStorage", "1", 8), 0, &[2, 4], &[4, 1])),
        ]);
        let mut bytes = checkpoint(&program, &["0", "1"]);
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        check_survives(&bytes)?;
        // What is left without the end of the directory is not cut; the pickle alone may be.
        bytes.truncate(bytes.len() - cut);
        check_survives(&bytes)?;
    }

    #[test]
    fn any_sizes_are_survived(elements: i64, offset: i64, shape in prop::collection::vec(any::<i64>(), 0..4)) {
        let tensor = view(storage("DoubleStorage", "0", elements), offset, &shape, &shape);
        check_survives(&checkpoint(&tensor, &["0"]))?;
        let untyped = storage("UntypedStorage", "0", elements);
        let class = b"ctorch\nuint64\n".to_vec();
        let args = [untyped, int(offset), ints(&shape), ints(&shape), b"N".to_vec(), b"N".to_vec(), class];
        check_survives(&checkpoint(&reduce("torch._utils", "_rebuild_tensor_v3", &args), &["0"]))?;
    }
}
