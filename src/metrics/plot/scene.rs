//! Shapes on a sheet: what all pictures are made of, before anybody writes them as SVG or PNG.

/// A place on the sheet, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Paper,
    Text,
    Muted,
    Grid,
    Limit,
    /// The line of this number.
    Series(usize),
}

/// The colours of lines, for a light and for a dark sheet. After Okabe and Ito, "Color Universal Design" (2008), darker or
/// lighter where that is needed for a contrast of 3:1 with the sheet.
pub(super) const SERIES: [[u32; 2]; 8] = [
    [0x0072b2, 0x56b4e9],
    [0xd55e00, 0xff8a4c],
    [0x00805c, 0x34c79a],
    [0xa04a8a, 0xe79bcb],
    [0x8a6500, 0xf0c04a],
    [0x3b3b98, 0xa9a9ff],
    [0x5f6b00, 0xc8d44a],
    [0x4d4d4d, 0xd0d0d0],
];

impl Ink {
    /// Its colour as 0xRRGGBB, on a light sheet and on a dark one.
    pub fn colours(self) -> [u32; 2] {
        match self {
            Self::Paper => [0xffffff, 0x0e1217],
            Self::Text => [0x1b1f24, 0xe4eaf1],
            Self::Muted => [0x57606a, 0x9ba6b2],
            Self::Grid => [0xe3e7eb, 0x262d36],
            Self::Limit => [0xb3261e, 0xff8a80],
            Self::Series(number) => SERIES[number % SERIES.len()],
        }
    }
}

/// How a line is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dash {
    Solid,
    Long,
    Short,
}

impl Dash {
    /// Lengths of strokes and of gaps, in pixels.
    pub const fn lengths(self) -> Option<[f64; 2]> {
        match self {
            Self::Solid => None,
            Self::Long => Some([7.0, 4.0]),
            Self::Short => Some([2.0, 3.0]),
        }
    }
}

/// The form of a mark. Lines are told apart by it where colours are not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Circle,
    Square,
    Up,
    Diamond,
    Down,
    Plus,
    Cross,
}

impl Mark {
    /// That of a line.
    pub const fn of(number: usize) -> Self {
        [Self::Circle, Self::Square, Self::Up, Self::Diamond, Self::Down, Self::Plus][number % 6]
    }

    /// Its corners around a place, as large as a circle of this radius; none for a circle.
    pub fn corners(self, at: Point, radius: f64) -> Vec<Point> {
        const ARM: f64 = 0.35;
        const PLUS: [(f64, f64); 12] = [
            (-ARM, -1.2),
            (ARM, -1.2),
            (ARM, -ARM),
            (1.2, -ARM),
            (1.2, ARM),
            (ARM, ARM),
            (ARM, 1.2),
            (-ARM, 1.2),
            (-ARM, ARM),
            (-1.2, ARM),
            (-1.2, -ARM),
            (-ARM, -ARM),
        ];
        let corners: &[(f64, f64)] = match self {
            Self::Circle => &[],
            Self::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Self::Up => &[(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
            Self::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            Self::Down => &[(0.0, 1.2), (1.15, -0.85), (-1.15, -0.85)],
            Self::Plus | Self::Cross => &PLUS,
        };
        let turned = |(x, y): (f64, f64)| match self {
            Self::Cross => ((x - y) * std::f64::consts::FRAC_1_SQRT_2, (x + y) * std::f64::consts::FRAC_1_SQRT_2),
            _ => (x, y),
        };
        let corners = corners.iter().map(|&corner| turned(corner));
        corners.map(|(x, y)| Point { x: at.x + x * radius, y: at.y + y * radius }).collect()
    }
}

/// Which part of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    /// On its base line.
    pub at: Point,
    pub text: String,
    pub ink: Ink,
    /// In pixels.
    pub size: f64,
    pub anchor: Anchor,
    /// Clockwise around its place, in degrees.
    pub turned: f64,
    /// With a rim in the colour of the sheet, to be read over lines.
    pub has_halo: bool,
}

/// A shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Line { points: Vec<Point>, ink: Ink, width: f64, dash: Dash },
    Mark { at: Point, mark: Mark, ink: Ink, radius: f64 },
    Text(Text),
}

/// A sheet with shapes; later ones cover earlier ones.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Scene {
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Shape>,
    /// The x of each version.
    pub columns: Vec<f64>,
    /// The upper and the lower end of where lines are drawn.
    pub rows: [f64; 2],
}

impl Scene {
    pub fn line(&mut self, points: &[(f64, f64)], ink: Ink, width: f64, dash: Dash) {
        let points = points.iter().map(|&(x, y)| Point { x, y }).collect();
        self.shapes.push(Shape::Line { points, ink, width, dash });
    }

    pub fn text(&mut self, (x, y): (f64, f64), text: impl Into<String>, ink: Ink, size: f64, anchor: Anchor) {
        let text = Text { at: Point { x, y }, text: text.into(), ink, size, anchor, turned: 0.0, has_halo: false };
        self.shapes.push(Shape::Text(text));
    }
}
