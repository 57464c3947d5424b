use std::io::Write;

use ndarray::array;
use proptest::prelude::*;

use super::*;

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("written");
    (dir, path)
}

fn npy(descr: &str, by_column: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if by_column { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn all(name: &str, bytes: &[u8]) -> Result<(Array2<f64>, Option<Vec<String>>), String> {
    let (dir, path) = file(name, bytes);
    let folder = format!("{}/", dir.path().display());
    read(&path, None).map_err(|error| error.to_string().replace(&folder, ""))
}

#[test]
fn tables_with_and_without_a_header() {
    let expected = array![[1.0, -2.5], [3e2, f64::INFINITY]];
    let names = Some(vec!["a".to_owned(), "b c".to_owned()]);
    for text in
        ["a,b c\n1,-2.5\n3e2,inf\n", "\u{feff}a, b c\r\n1,-2.5\r\n\r\n\"3e2\", inf", "a,\"b c\"\r1,-2.5\r+300,Infinity"]
    {
        assert_eq!(all("x.csv", text.as_bytes()), Ok((expected.clone(), names.clone())), "{text:?}");
    }
    assert_eq!(all("x.TSV", b"1\t-2.5\n3e2\tinf\n"), Ok((expected, None)));
    assert_eq!(all("x.csv", b"True\nfalse\n"), Ok((array![[1.0], [0.0]], None)));
    let (none, names) = all("x.csv", b"only,names\n").expect("a table");
    assert_eq!((none.dim(), names.map(|names| names.len())), ((0, 2), Some(2)));
}

#[test]
fn columns_are_chosen_by_name_or_number() {
    let (_dir, path) = file("x.csv", b"id,y,p\nfirst,1,0.5\nsecond,0,0.25\n");
    let mut source = open(&path, None).expect("a table");
    source.select(&["p", "y"]).expect("columns");
    assert_eq!((source.columns(), source.width()), (Some(&["p".to_owned(), "y".to_owned()][..]), 2));
    assert_eq!(source.next_rows(1).expect("a row"), Some(array![[0.5, 1.0]]));
    assert_eq!(source.next_rows(9).expect("a row"), Some(array![[0.25, 0.0]]));
    assert_eq!(source.next_rows(9).expect("the end"), None);
    let error = source.select(&["q"]).expect_err("no such column");
    assert!(error.to_string().ends_with("there is no column `q`"), "{error}");
    assert_eq!(error.hint().as_deref(), Some("there are: id, y, p"));
    assert_eq!(read(&path, Some("y")).expect("a column").0, array![[1.0], [0.0]]);
    let (_dir, path) = file("x.csv", b"1,2\n3,4\n");
    assert_eq!(read(&path, Some("2")).expect("a column").0, array![[2.0], [4.0]]);
    for name in ["0", "3", "a"] {
        assert!(open(&path, Some(name)).is_err(), "{name}");
    }
    assert!(open(&file("x.csv", b"a,a\n1,2\n").1, Some("a")).is_err());
}

#[test]
fn errors_name_the_place() {
    let cases = [
        ("x.csv", &b"a,b\n1,2\n3,\n"[..], "`x.csv`: line 3, column 2 (`b`): is empty"),
        ("x.csv", b"a,b\n1,2\n\n3,four\n", "`x.csv`: line 4, column 2 (`b`): `four` is no number"),
        ("x.csv", b"a,b\r\n1,2\r\n3,four\r\n", "`x.csv`: line 3, column 2 (`b`): `four` is no number"),
        ("x.csv", b"1,2\n3\n", "`x.csv`: line 2, column 2: the row has 1 fields, the first has 2"),
        ("x.tsv", b"1\t2\n3\t4\t5\n", "`x.tsv`: line 2, column 3: the row has 3 fields, the first has 2"),
        ("x.csv", b"1\n\xff\n", "`x.csv`: line 2, column 1: `\u{fffd}` is no number"),
        ("x.csv", b"", "`x.csv`: it is empty"),
        ("x.csv", b"{\"git-model\":1,\"format\":", "`x.csv` holds a manifest, not its numbers"),
        ("x.txt", b"1\n", "cannot tell the format of `x.txt` by its name"),
        ("x.npy", b"1,2\n", "`x.npy`: it is no array of numpy's"),
        ("x.npz", b"1,2\n", "`x.npz`: it is no archive of numpy's"),
        ("x.safetensors", b"1,2\n", "`x.safetensors`: it is no safetensors file"),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(all(name, bytes), Err(expected.to_owned()));
    }
    for (bytes, expected) in [
        (npy(">f8", false, "(1,)", &f64s(&[1.0])), "`>f8`"),
        (npy("<c8", false, "(1,)", &f64s(&[1.0])), "type C64"),
        (npy("<f8", false, "(2, 0)", &[]), "no values in a row"),
        (npy("<f8", false, "(2,)", &f64s(&[1.0])), "past the end"),
        (npy("<f8", false, "(0, 99999999999)", &[]), "over the limit"),
        (npy("<f8", true, "(2, 2, 2)", &[0; 64]), "Fortran order"),
    ] {
        let error = all("x.npy", &bytes).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
    let endless = "1".repeat((64 << 20) + 9);
    let error = all("x.csv", endless.as_bytes()).expect_err("no row is so long");
    assert!(error.contains("a row has more than"), "{error}");
}

#[test]
fn every_type_of_number() {
    let cases = [
        ("|b1", vec![1, 0], [1.0, 0.0]),
        ("|i1", vec![255, 2], [-1.0, 2.0]),
        ("<u2", vec![255, 255, 1, 0], [65535.0, 1.0]),
        ("<f2", vec![0, 0x3c, 0, 0xc0], [1.0, -2.0]),
        (
            "<f4",
            [0.1_f32, f32::NEG_INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect(),
            [f64::from(0.1_f32), f64::NEG_INFINITY],
        ),
        ("<i8", [i64::MIN, 3].iter().flat_map(|x| x.to_le_bytes()).collect(), [-9_223_372_036_854_775_808.0, 3.0]),
    ];
    for (descr, bytes, expected) in cases {
        let (values, names) = all("x.npy", &npy(descr, false, "(2,)", &bytes)).expect(descr);
        assert_eq!((values.into_raw_vec_and_offset().0, names), (expected.to_vec(), None), "{descr}");
    }
    assert_eq!(all("x.npy", &npy("<f8", false, "()", &f64s(&[7.0]))).expect("a scalar").0, array![[7.0]]);
    let (empty, _) = all("x.npy", &npy("<f8", false, "(0, 3)", &[])).expect("no rows");
    assert_eq!(empty.dim(), (0, 3));
}

#[test]
fn a_tensor_by_its_name() {
    let header = r#"{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[16,20]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(f64s(&[1.0, 2.0]));
    bytes.extend([0x80, 0x3f, 0, 0xc0]);
    let (_dir, path) = file("x.safetensors", &bytes);
    assert_eq!(read(&path, Some("a")).expect("a tensor").0, array![[1.0], [2.0]]);
    assert_eq!(read(&path, Some("b")).expect("a tensor").0, array![[1.0], [-2.0]]);
    let spec: OsString = format!("{}:b", path.display()).into();
    assert_eq!(split(&spec), (path.clone(), Some("b".to_owned())));
    assert_eq!(split(path.as_os_str()), (path.clone(), None));
    let error = open(&path, None).map(drop).expect_err("two tensors");
    assert!(error.to_string().contains("there are 2 tensors in it; name one"), "{error}");
    assert_eq!(error.hint().as_deref(), Some("there are: a, b"));
    assert!(open(&path, Some("c")).is_err());
}

#[test]
fn rows_are_regrouped() {
    let bytes = npy("<f8", false, "(2, 3, 2)", &f64s(&(0..12).map(f64::from).collect::<Vec<_>>()));
    let (_dir, path) = file("x.npy", &bytes);
    let mut source = open(&path, None).expect("an array");
    assert_eq!((source.shape(), source.width(), source.rows_left()), (&[2, 3, 2][..], 6, Some(2)));
    assert!(source.regroup(5).is_err());
    source.regroup(2).expect("rows of words");
    assert_eq!((source.width(), source.rows_left()), (2, Some(6)));
    assert_eq!(source.next_rows(2).expect("rows"), Some(array![[0.0, 1.0], [2.0, 3.0]]));
    assert_eq!(source.next_rows(9).expect("rows").map(|rows| rows.nrows()), Some(4));
}

proptest! {
    #[test]
    fn rows_come_in_pieces_of_any_size_and_either_order(
        rows in 0..40_usize,
        width in 1..6_usize,
        pieces in prop::collection::vec(1..9_usize, 1..5),
    ) {
        let matrix = Array2::from_shape_fn((rows, width), |(row, column)| (row * 100 + column) as f64);
        let by_row: Vec<f64> = matrix.iter().copied().collect();
        let by_column: Vec<f64> = matrix.t().iter().copied().collect();
        let shape = format!("({rows}, {width})");
        let text: String = matrix.rows().into_iter().map(|row| {
            let fields: Vec<String> = row.iter().map(f64::to_string).collect();
            fields.join(",") + "\n"
        }).collect();
        let files = [
            ("x.npy", npy("<f8", false, &shape, &f64s(&by_row))),
            ("x.npy", npy("<f8", true, &shape, &f64s(&by_column))),
            ("x.csv", text.into_bytes()),
        ];
        for (name, bytes) in files {
            if bytes.is_empty() {
                continue;
            }
            let (_dir, path) = file(name, &bytes);
            let mut source = open(&path, None).expect("an array");
            let (mut found, mut sizes) = (Vec::new(), pieces.iter().cycle());
            while let Some(piece) = source.next_rows(*sizes.next().expect("endless")).expect("rows") {
                found.extend(piece);
            }
            prop_assert_eq!(&found, &by_row);
        }
    }
}
