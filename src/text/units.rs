//! Sizes for people.

/// How sizes are written: the setting `model.units`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Units {
    /// Powers of 1000: `10.2 MB`.
    #[default]
    Si,
    /// Powers of 1024: `9.7 MiB`.
    Binary,
    /// Every byte: `10200000 B`.
    Bytes,
}

impl Units {
    /// The units of this name in settings.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "si" => Some(Self::Si),
            "binary" => Some(Self::Binary),
            "bytes" => Some(Self::Bytes),
            _ => None,
        }
    }

    /// A number of bytes.
    pub fn bytes(self, count: u64) -> String {
        let (step, units) = match self {
            Self::Si => (1000.0, ["kB", "MB", "GB", "TB", "PB"]),
            Self::Binary => (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB"]),
            Self::Bytes => return format!("{count} B"),
        };
        if (count as f64) < step {
            return format!("{count} B");
        }
        let mut value = count as f64 / step;
        let mut unit = 0;
        while value >= step - 0.05 && unit + 1 < units.len() {
            value /= step;
            unit += 1;
        }
        format!("{value:.1} {}", units[unit])
    }

    /// A number of things in at most six characters: `537`, `53.7 M`.
    pub fn count(count: u64) -> String {
        const UNITS: [&str; 5] = ["k", "M", "G", "T", "P"];
        if count < 10_000 {
            return count.to_string();
        }
        let (mut value, mut unit) = (count as f64 / 1000.0, 0);
        while value >= 999.95 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        let cases = [
            (0, "0 B", "0 B"),
            (999, "999 B", "999 B"),
            (1000, "1.0 kB", "1000 B"),
            (10_200_000, "10.2 MB", "9.7 MiB"),
            (999_960_000, "1.0 GB", "953.6 MiB"),
            (1 << 40, "1.1 TB", "1.0 TiB"),
        ];
        for (count, si, binary) in cases {
            assert_eq!((Units::Si.bytes(count), Units::Binary.bytes(count)), (si.into(), binary.into()));
        }
        assert_eq!(Units::Bytes.bytes(10_200_000), "10200000 B");
    }

    #[test]
    fn counts_for_people() {
        let cases = [(0, "0"), (9999, "9999"), (10_000, "10.0 k"), (53_700_000, "53.7 M"), (999_960_000, "1.0 G")];
        for (count, text) in cases {
            assert_eq!(Units::count(count), text);
        }
    }
}
