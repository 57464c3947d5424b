//! Lines of many points in few: what a column of pixels shows of them is their highest and their lowest point.

use super::scene::Point;

/// The same line, of at most four points in each column of this width: where it comes in, its extremes, where it goes out.
pub(super) fn thin(points: &[Point], column: f64) -> Vec<Point> {
    let in_column = |point: &Point| (point.x / column).floor();
    let mut kept = Vec::new();
    for points in points.chunk_by(|a, b| in_column(a) == in_column(b)) {
        let by_height = |a: &usize, b: &usize| points[*a].y.total_cmp(&points[*b].y);
        let extremes = [(0..points.len()).min_by(by_height), (0..points.len()).max_by(by_height)];
        let mut chosen: Vec<usize> = extremes.into_iter().flatten().chain([0, points.len() - 1]).collect();
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|at| points[at]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ends_and_extremes_stay(heights in prop::collection::vec(-1e3..1e3_f64, 1..400), column in 1.0..9.0_f64) {
            let points: Vec<Point> =
                heights.iter().enumerate().map(|(at, &y)| Point { x: at as f64 * 0.3, y }).collect();
            let kept = thin(&points, column);
            let columns = (points.len() as f64 * 0.3 / column).ceil() as usize;
            prop_assert!(kept.len() <= 4 * columns.max(1), "{} of {}", kept.len(), points.len());
            prop_assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
            let ends = |points: &[Point]| {
                points.iter().fold((f64::MAX, f64::MIN), |(low, high), point| (low.min(point.y), high.max(point.y)))
            };
            prop_assert_eq!(ends(&kept), ends(&points));
            prop_assert!(kept.windows(2).all(|pair| pair[0].x < pair[1].x));
        }
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let points = [(0.0, 3.0), (10.0, 1.0), (20.0, 2.0)].map(|(x, y)| Point { x, y });
        assert_eq!(thin(&points, 1.0), points);
    }
}
