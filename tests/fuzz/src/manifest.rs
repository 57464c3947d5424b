//! Manifests: what parses is printed and parsed again to the same.

use git_model::manifest::{Manifest, PREFIX};

pub fn manifest(bytes: &[u8]) {
    check(bytes);
    if !Manifest::looks_like(bytes) {
        check(&[PREFIX, bytes].concat());
    }
}

fn check(text: &[u8]) {
    let Ok(manifest) = Manifest::parse(text) else { return };
    let printed = manifest.print();
    let again = Manifest::parse(&printed).expect("what was printed parses");
    assert_eq!(again, manifest, "nothing is lost by printing");
    assert_eq!(again.print(), printed);

    let sizes = manifest.tensors().iter().map(|tensor| tensor.byte_len().expect("every tensor has a size"));
    let total = sizes.fold(0_u64, |sum, len| sum.checked_add(len).expect("sizes add up"));
    assert!(total <= manifest.size);
    assert_eq!(manifest.objects().count(), manifest.tensors().len() + 1);
}
