//! Element types, by the names that safetensors gives them; quantized blocks by their GGUF name.
//!
//! Sources: safetensors `Dtype` (0.5), GGUF specification of ggml (`ggml_type`, block sizes in `ggml-common.h`;
//! gguf-py 0.19 has the same ones but for `Q8_1`, to which it still gives 40 bytes).

use std::fmt;

/// The type of a tensor's elements.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// One of the plain types: a name and a width in bits.
    Plain(Plain),
    /// A quantized GGUF block type, named `GGUF:<type>`.
    Gguf(Quantized),
}

macro_rules! plain_types {
    ($($name:ident = $text:literal, $bits:literal;)*) => {
        /// Types whose elements stand one by one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(non_camel_case_types, missing_docs)]
        pub enum Plain { $($name),* }

        impl Plain {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name used in manifests.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Bits an element takes.
            pub const fn bits(self) -> u64 {
                match self { $(Self::$name => $bits),* }
            }
        }
    };
}

plain_types! {
    F64 = "F64", 64; F32 = "F32", 32; F16 = "F16", 16; BF16 = "BF16", 16;
    F8E4M3 = "F8_E4M3", 8; F8E5M2 = "F8_E5M2", 8; F8E8M0 = "F8_E8M0", 8;
    F6E2M3 = "F6_E2M3", 6; F6E3M2 = "F6_E3M2", 6; F4 = "F4", 4;
    F8E4M3Fnuz = "F8_E4M3FNUZ", 8; F8E5M2Fnuz = "F8_E5M2FNUZ", 8;
    I64 = "I64", 64; I32 = "I32", 32; I16 = "I16", 16; I8 = "I8", 8; I4 = "I4", 4;
    U64 = "U64", 64; U32 = "U32", 32; U16 = "U16", 16; U8 = "U8", 8; U4 = "U4", 4;
    BOOL = "BOOL", 8; C64 = "C64", 64; C128 = "C128", 128;
}

macro_rules! quantized_types {
    ($($name:ident = $code:literal, $elements:literal, $bytes:literal;)*) => {
        /// GGUF block types: so many elements in so many bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(non_camel_case_types, missing_docs)]
        pub enum Quantized { $($name),* }

        impl Quantized {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The type's name in ggml, upper case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The number that stands for the type in a GGUF file.
            pub const fn code(self) -> u32 {
                match self { $(Self::$name => $code),* }
            }

            /// Elements in a block.
            pub const fn block_elements(self) -> u64 {
                match self { $(Self::$name => $elements),* }
            }

            /// Bytes a block takes.
            pub const fn block_bytes(self) -> u64 {
                match self { $(Self::$name => $bytes),* }
            }
        }
    };
}

quantized_types! {
    Q4_0 = 2, 32, 18; Q4_1 = 3, 32, 20; Q5_0 = 6, 32, 22; Q5_1 = 7, 32, 24; Q8_0 = 8, 32, 34; Q8_1 = 9, 32, 36;
    Q2_K = 10, 256, 84; Q3_K = 11, 256, 110; Q4_K = 12, 256, 144; Q5_K = 13, 256, 176; Q6_K = 14, 256, 210;
    Q8_K = 15, 256, 292;
    IQ2_XXS = 16, 256, 66; IQ2_XS = 17, 256, 74; IQ3_XXS = 18, 256, 98; IQ1_S = 19, 256, 50; IQ4_NL = 20, 32, 18;
    IQ3_S = 21, 256, 110; IQ2_S = 22, 256, 82; IQ4_XS = 23, 256, 136; IQ1_M = 29, 256, 56;
    TQ1_0 = 34, 256, 54; TQ2_0 = 35, 256, 66; MXFP4 = 39, 32, 17; NVFP4 = 40, 64, 36;
    Q1_0 = 41, 128, 18;
}

impl Dtype {
    /// The type with this manifest name.
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix("GGUF:") {
            Some(name) => Quantized::ALL.iter().find(|quantized| quantized.name() == name).map(|&q| Self::Gguf(q)),
            None => Plain::ALL.iter().find(|plain| plain.name() == name).map(|&plain| Self::Plain(plain)),
        }
    }

    /// Bytes that `elements` elements take; `None` if they do not fill whole bytes or blocks, or overflow.
    pub fn byte_len(&self, elements: u64) -> Option<u64> {
        match self {
            Self::Plain(plain) => {
                let bits = elements.checked_mul(plain.bits())?;
                bits.is_multiple_of(8).then_some(bits / 8)
            }
            Self::Gguf(quantized) => {
                let per_block = quantized.block_elements();
                elements
                    .is_multiple_of(per_block)
                    .then(|| (elements / per_block).checked_mul(quantized.block_bytes()))
                    .flatten()
            }
        }
    }

    /// Width in bytes of the words the codec works on: 1, 2, 4 or 8.
    ///
    /// Complex numbers count as their parts; quantized blocks and types narrower than a byte as bytes.
    pub const fn word_bytes(&self) -> usize {
        match self {
            Self::Plain(Plain::C64) => 4,
            Self::Plain(Plain::C128) => 8,
            Self::Plain(plain) if plain.bits() >= 8 => (plain.bits() / 8) as usize,
            Self::Plain(_) | Self::Gguf(_) => 1,
        }
    }
}

impl From<Plain> for Dtype {
    fn from(plain: Plain) -> Self {
        Self::Plain(plain)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(plain) => f.write_str(plain.name()),
            Self::Gguf(quantized) => write!(f, "GGUF:{}", quantized.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        let plain = Plain::ALL.iter().map(|&plain| Dtype::Plain(plain));
        let quantized = Quantized::ALL.iter().map(|&quantized| Dtype::Gguf(quantized));
        for dtype in plain.chain(quantized) {
            assert_eq!(Dtype::parse(&dtype.to_string()), Some(dtype));
        }
        assert_eq!(Dtype::parse("bf16"), None);
    }

    #[test]
    fn lengths() {
        assert_eq!(Dtype::Plain(Plain::BF16).byte_len(3), Some(6));
        assert_eq!(Dtype::Plain(Plain::F4).byte_len(3), None);
        assert_eq!(Dtype::Plain(Plain::F4).byte_len(4), Some(2));
        assert_eq!(Dtype::Gguf(Quantized::Q4_K).byte_len(512), Some(288));
        assert_eq!(Dtype::Gguf(Quantized::Q4_K).byte_len(500), None);
        assert_eq!(Dtype::Plain(Plain::F64).byte_len(u64::MAX), None);
    }
}
