//! One byte plane: chooses how to write it, writes it, reads it.
//!
//! | kind | | bytes |
//! |---|---|---|
//! | 0 | raw | the plane |
//! | 1 | fill | one byte, which all of the plane consists of |
//! | 2 | zstd | varint length, one zstd frame |
//! | 3 | sparse | varint count of non-zero bytes, a plane that is their bitmap, a plane of the bytes themselves |
//!
//! A plane's length is known from outside. The planes within a sparse one are of kinds 0 to 2.
//!
//! **Limitations.** Choices rest on order-0 statistics; only planes that are one value almost everywhere, and the bytes
//! of one-byte elements, are searched for repeats.

use multiversion::{multiversion, target::match_target};
use zstd_safe::{CCtx, CParameter, DCtx, ParamSwitch};

use super::CodecError;
use super::frame::FrameWriter;
use super::histogram::Histogram;
use super::huffman::Code;
use super::reader::{Reader, put_varint};

const RAW: u8 = 0;
const FILL: u8 = 1;
const ZSTD: u8 = 2;
const SPARSE: u8 = 3;

/// A sampled entropy above this, in bits per byte, is not worth the time.
const RAW_ENTROPY_MIN: f64 = 7.9;
/// A share of the commonest value above this calls for a search for repeats.
const REPEATS_SHARE_MIN: f64 = 0.9;
/// A share of zeros above this calls for a bitmap, as Huffman codes spend at least one bit on each. From 0.3 on a bitmap
/// gains one hundredth more and costs a third of the speed.
const SPARSE_SHARE_MIN: f64 = 0.5;

/// Given time, a bitmap or a search for repeats is kept where it brings a plane below this share, as it is slower to read.
const SLOWER_GAIN_MAX: f64 = 0.985;
/// Below this share of zeros a bitmap never gains as much.
const SPARSE_SHARE_WORTH_TRYING: f64 = 0.2;

/// Where to look whether a plane of bytes repeats itself: this much from its middle.
const PROBE_BYTES: usize = 16 << 10;
/// Repeats are worth it when they bring the probe below this share of its order-0 entropy.
const PROBE_GAIN_MAX: f64 = 0.9;

/// zstd's fastest negative level: it finds no matches, only codes literals.
const LEVEL_LITERALS: i32 = -131_072;
const LEVEL_REPEATS: i32 = 1;

fn compressor(level: i32) -> CCtx<'static> {
    let mut context = CCtx::create();
    let literals = CParameter::LiteralCompressionMode(ParamSwitch::Enable);
    for parameter in [CParameter::CompressionLevel(level), literals, CParameter::ContentSizeFlag(false)] {
        // Fixed parameters within zstd's bounds: nothing a caller could do differently.
        let set = context.set_parameter(parameter);
        debug_assert!(set.is_ok());
    }
    context
}

/// Writes planes.
pub(super) struct PlaneEncoder {
    literals: CCtx<'static>,
    repeats: CCtx<'static>,
    frames: FrameWriter,
    frame: Vec<u8>,
    bitmap: Vec<u8>,
    nonzero: Vec<u8>,
    other: Vec<u8>,
    /// Count all of a plane instead of a sample, and try what the counts would advise against.
    pub(super) thorough: bool,
}

impl PlaneEncoder {
    pub(super) fn new() -> Self {
        Self {
            literals: compressor(LEVEL_LITERALS),
            repeats: compressor(LEVEL_REPEATS),
            frames: FrameWriter::new(),
            frame: Vec::new(),
            bitmap: Vec::new(),
            nonzero: Vec::new(),
            other: Vec::new(),
            thorough: false,
        }
    }

    /// Appends `plane` to `out`. With `probe` it is first looked at for repeats, as in text and tables; the planes of
    /// wider elements have none worth the time.
    pub(super) fn encode(&mut self, plane: &[u8], probe: bool, out: &mut Vec<u8>) {
        if self.thorough {
            self.encode_thoroughly(plane, out);
            return;
        }
        let sample = Histogram::of_sample(plane);
        let zeros = sample.counts[0] as usize;
        if probe && self.repeats_pay(plane) {
            self.encode_dense(plane, &sample, true, out);
        } else if zeros < sample.total && zeros as f64 >= SPARSE_SHARE_MIN * sample.total as f64 {
            self.encode_sparse(plane, out);
        } else {
            self.encode_dense(plane, &sample, false, out);
        }
    }

    /// Appends `plane` in about the smallest way there is.
    fn encode_thoroughly(&mut self, plane: &[u8], out: &mut Vec<u8>) {
        let all = Histogram::of(plane);
        let start = out.len();
        self.encode_dense(plane, &all, false, out);
        let zeros = all.counts[0] as f64 / all.total as f64;
        let is_mixed = all.max() < all.total;
        let tries = [
            (Self::encode_with_repeats as fn(&mut Self, &[u8], &Histogram, &mut Vec<u8>), true),
            (|encoder, plane, _, out| encoder.encode_sparse(plane, out), zeros >= SPARSE_SHARE_WORTH_TRYING),
        ];
        let mut other = std::mem::take(&mut self.other);
        for (encode, _) in tries.into_iter().filter(|(_, is_worth_it)| is_mixed && *is_worth_it) {
            other.clear();
            encode(self, plane, &all, &mut other);
            if other.len() as f64 <= (out.len() - start) as f64 * SLOWER_GAIN_MAX {
                out.truncate(start);
                out.extend_from_slice(&other);
            }
        }
        self.other = other;
    }

    fn encode_with_repeats(&mut self, plane: &[u8], all: &Histogram, out: &mut Vec<u8>) {
        self.encode_dense(plane, all, true, out);
    }

    fn repeats_pay(&mut self, plane: &[u8]) -> bool {
        let start = plane.len().saturating_sub(PROBE_BYTES) / 2;
        let probe = &plane[start..plane.len().min(start + PROBE_BYTES)];
        let bits = Histogram::of(probe).entropy_bits();
        if bits > RAW_ENTROPY_MIN * probe.len() as f64 {
            return false;
        }
        let len = compress(&mut self.repeats, probe, &mut self.frame);
        len.is_some_and(|len| (8 * len) as f64 <= PROBE_GAIN_MAX * bits)
    }

    fn encode_sparse(&mut self, plane: &[u8], out: &mut Vec<u8>) {
        let mut bitmap = std::mem::take(&mut self.bitmap);
        let mut nonzero = std::mem::take(&mut self.nonzero);
        compact(plane, &mut bitmap, &mut nonzero);
        out.push(SPARSE);
        put_varint(out, nonzero.len());
        self.encode_dense(&bitmap, &Histogram::of_sample(&bitmap), false, out);
        self.encode_dense(&nonzero, &Histogram::of_sample(&nonzero), false, out);
        self.bitmap = bitmap;
        self.nonzero = nonzero;
    }

    fn encode_dense(&mut self, plane: &[u8], sample: &Histogram, repeats: bool, out: &mut Vec<u8>) {
        let total = sample.total as f64;
        let share_max = sample.max() as f64 / total;
        if let Some(&first) = plane.first()
            && share_max == 1.0
            && plane.iter().all(|&byte| byte == first)
        {
            out.extend([FILL, first]);
            return;
        }
        let start = out.len();
        if sample.entropy_bits() <= RAW_ENTROPY_MIN * total
            && self.write_frame(plane, sample, repeats || share_max > REPEATS_SHARE_MIN).is_some()
        {
            out.push(ZSTD);
            put_varint(out, self.frame.len());
            out.extend_from_slice(&self.frame);
            if out.len() - start <= plane.len() {
                return;
            }
            out.truncate(start);
        }
        out.push(RAW);
        out.extend_from_slice(plane);
    }

    /// Makes `self.frame` a frame of `plane`, of which `sample` was counted; `None` if it would not be smaller.
    fn write_frame(&mut self, plane: &[u8], sample: &Histogram, repeats: bool) -> Option<usize> {
        if repeats {
            return compress(&mut self.repeats, plane, &mut self.frame);
        }
        let counted;
        let histogram = if sample.total == plane.len() {
            sample
        } else {
            counted = if self.thorough { Histogram::of(plane) } else { Histogram::of_most(plane) };
            &counted
        };
        match Code::new(histogram) {
            Some(code) if code.bytes(histogram) < histogram.total => {
                self.frame.clear();
                self.frames.write(plane, &code, &mut self.frame);
                Some(self.frame.len())
            }
            Some(_) => None,
            None => compress(&mut self.literals, plane, &mut self.frame),
        }
    }
}

/// Makes `frame` zstd's frame of `plane` and returns its length.
fn compress(context: &mut CCtx<'_>, plane: &[u8], frame: &mut Vec<u8>) -> Option<usize> {
    frame.clear();
    frame.reserve(zstd_safe::compress_bound(plane.len()));
    context.compress2(frame, plane).ok()
}

/// Splits `plane` into a bitmap of its non-zero bytes (lowest bit first) and these bytes.
///
/// Every byte is written, and the place moves on only past those that are not zero: no branch to mispredict.
fn compact(plane: &[u8], bitmap: &mut Vec<u8>, nonzero: &mut Vec<u8>) {
    bitmap.clear();
    nonzero.resize(plane.len() + 8, 0);
    let mut count = 0;
    let mut put = |bytes: &[u8]| {
        let mut bits = 0;
        let mut used = 0;
        if let Some(room) = nonzero[count..].first_chunk_mut::<8>() {
            for (index, &byte) in bytes.iter().enumerate() {
                room[used & 7] = byte;
                let here = u8::from(byte != 0);
                bits |= here << index;
                used += usize::from(here);
            }
        }
        count += used;
        bits
    };
    let (octets, rest) = plane.as_chunks::<8>();
    bitmap.extend(octets.iter().map(|octet| if *octet == [0; 8] { 0 } else { put(octet) }));
    if !rest.is_empty() {
        bitmap.push(put(rest));
    }
    nonzero.truncate(count);
}

/// Reads planes.
pub(super) struct PlaneDecoder {
    context: DCtx<'static>,
    bitmap: Vec<u8>,
    nonzero: Vec<u8>,
}

impl PlaneDecoder {
    pub(super) fn new() -> Self {
        Self { context: DCtx::create(), bitmap: Vec::new(), nonzero: Vec::new() }
    }

    /// Fills `plane`.
    pub(super) fn decode_into(&mut self, reader: &mut Reader<'_>, plane: &mut [u8]) -> Result<(), CodecError> {
        match reader.0 {
            [RAW, ..] => {
                reader.take(1)?;
                plane.copy_from_slice(reader.take(plane.len())?);
                Ok(())
            }
            _ => self.decode(reader, plane).map(drop),
        }
    }

    /// Reads a plane of `buffer.len()` bytes: in place when it stands raw in the payload, else through `buffer`.
    pub(super) fn decode<'b, 'p: 'b>(
        &mut self,
        reader: &mut Reader<'p>,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], CodecError> {
        let kind = reader.byte()?;
        if kind != SPARSE {
            return decode_dense(&mut self.context, kind, reader, buffer);
        }
        let count = reader.varint()?;
        if count > buffer.len() {
            return Err(CodecError::Malformed("more non-zero bytes than a plane has"));
        }
        self.bitmap.resize(buffer.len().div_ceil(8), 0);
        self.nonzero.resize(count, 0);
        let kind = reader.byte()?;
        let bitmap = decode_dense(&mut self.context, kind, reader, &mut self.bitmap)?;
        let kind = reader.byte()?;
        let nonzero = decode_dense(&mut self.context, kind, reader, &mut self.nonzero)?;
        expand(bitmap, nonzero, buffer)?;
        Ok(buffer)
    }
}

fn decode_dense<'b, 'p: 'b>(
    context: &mut DCtx<'_>,
    kind: u8,
    reader: &mut Reader<'p>,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], CodecError> {
    match kind {
        RAW => reader.take(buffer.len()),
        FILL => {
            buffer.fill(reader.byte()?);
            Ok(buffer)
        }
        ZSTD => {
            let len = reader.varint()?;
            let frame = reader.take(len)?;
            match context.decompress(&mut buffer[..], frame) {
                Ok(len) if len == buffer.len() => Ok(buffer),
                Ok(_) => Err(CodecError::Malformed("a zstd frame holds less than its plane")),
                Err(code) => Err(CodecError::Zstd(zstd_safe::get_error_name(code))),
            }
        }
        _ => Err(CodecError::Malformed("unknown kind of plane")),
    }
}

/// The place of what a bitmap does not call for, which is zero. To a processor that shuffles bytes the first bit says so.
const NOWHERE: u8 = 0x80;

/// Where each of eight bytes is found among those that a bitmap calls for, and how many these are.
const PLACES: [([u8; 8], u8); 256] = {
    let mut table = [([NOWHERE; 8], 0); 256];
    let mut bits = 0;
    while bits < 256 {
        let (mut at, mut used) = (0, 0);
        while at < 8 {
            if bits >> at & 1 == 1 {
                table[bits].0[at] = used;
                used += 1;
            }
            at += 1;
        }
        table[bits].1 = used;
        bits += 1;
    }
    table
};

/// Fills `out` with zeros and, in the places of the set bits, the bytes of `nonzero` in their order; returns those that
/// are left; `None` if there are too few.
#[multiversion(targets("x86_64+ssse3"))]
fn spread<'a>(bitmap: &[u8], nonzero: &'a [u8], out: &mut [[u8; 8]]) -> Option<&'a [u8]> {
    let mut rest = nonzero;
    for (out, &bits) in out.iter_mut().zip(bitmap) {
        if bits == 0 {
            *out = [0; 8];
            continue;
        }
        let mut window = [0; 8];
        match rest.first_chunk::<8>() {
            Some(bytes) => window = *bytes,
            None => window[..rest.len()].copy_from_slice(rest),
        }
        let (places, used) = &PLACES[usize::from(bits)];
        *out = match_target! {
            "x86_64+ssse3" => {{
                use std::arch::x86_64::{_mm_cvtsi128_si64, _mm_set_epi64x, _mm_shuffle_epi8};
                let [window, places] = [window, *places].map(i64::from_le_bytes);
                let bytes = _mm_shuffle_epi8(_mm_set_epi64x(0, window), _mm_set_epi64x(0, places));
                _mm_cvtsi128_si64(bytes).to_le_bytes()
            }},
            _ => places.map(|place| window.get(usize::from(place)).copied().unwrap_or(0)),
        };
        rest = rest.get(usize::from(*used)..)?;
    }
    Some(rest)
}

/// The inverse of [`compact`]; checks that the bitmap calls for exactly the bytes there are.
fn expand(bitmap: &[u8], nonzero: &[u8], plane: &mut [u8]) -> Result<(), CodecError> {
    const DISAGREE: CodecError = CodecError::Malformed("a bitmap and its bytes disagree");
    let spare = match plane.len() % 8 {
        0 => 0,
        used => bitmap.last().map_or(0, |bits| bits >> used),
    };
    if spare != 0 {
        return Err(DISAGREE);
    }
    let (whole, end) = plane.as_chunks_mut::<8>();
    let mut rest = spread(bitmap, nonzero, whole).ok_or(DISAGREE)?;
    if let Some(&bits) = bitmap.get(whole.len()) {
        let mut last = [[0; 8]];
        rest = spread(&[bits], rest, &mut last).ok_or(DISAGREE)?;
        end.copy_from_slice(&last[0][..end.len()]);
    }
    if rest.is_empty() { Ok(()) } else { Err(DISAGREE) }
}
