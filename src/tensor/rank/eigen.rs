//! Eigenvalues of a small symmetric matrix: Householder's reduction to tridiagonal form, then implicit QR steps with
//! Wilkinson's shift (Golub and Van Loan, Matrix Computations, 4th edition, 8.3).

use multiversion::multiversion;

/// The Gram matrix AᵀA, row by row, of a matrix with rows of `n` numbers.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn gram(rows: &[f64], n: usize) -> Vec<f64> {
    const ROWS: usize = 4;
    const LANES: usize = 8;
    let mut gram = vec![0.0; n * n];
    // Several rows at a time, for the Gram matrix is read and written each time.
    let groups = rows.chunks_exact(ROWS * n);
    let mut last = groups.remainder().to_vec();
    last.resize(if last.is_empty() { 0 } else { ROWS * n }, 0.0);
    for rows in groups.chain(std::iter::once(&last[..]).filter(|last| !last.is_empty())) {
        let [a, b, c, d]: [&[f64]; ROWS] = std::array::from_fn(|i| &rows[i * n..][..n]);
        for (i, line) in gram.chunks_exact_mut(n).enumerate() {
            let (p, q, r, s) = (a[i], b[i], c[i], d[i]);
            // The matrix is symmetric: the upper half will do, in whole lanes.
            let start = i / LANES * LANES;
            let columns = a[start..].iter().zip(&b[start..]).zip(c[start..].iter().zip(&d[start..]));
            for (sum, ((a, b), (c, d))) in line[start..].iter_mut().zip(columns) {
                *sum += p * a + q * b + (r * c + s * d);
            }
        }
    }
    for i in 1..n {
        for j in 0..i {
            gram[i * n + j] = gram[j * n + i];
        }
    }
    gram
}

/// The eigenvalues of a symmetric matrix of `n` rows, largest first.
pub fn eigenvalues(mut matrix: Vec<f64>, n: usize) -> Vec<f64> {
    let (mut diagonal, mut beside) = tridiagonal(&mut matrix, n);
    diagonalize(&mut diagonal, &mut beside);
    diagonal.sort_by(|a, b| b.total_cmp(a));
    diagonal
}

/// The diagonal, and what stands beside it, of a tridiagonal matrix with the same eigenvalues.
#[multiversion(targets("x86_64+avx2"))]
fn tridiagonal(matrix: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; n.saturating_sub(1)];
    for k in 0..n.saturating_sub(1) {
        let m = n - k - 1;
        // The reflection that takes the rest of column k to a multiple of the first unit vector.
        let mut v: Vec<f64> = matrix[k * n + k + 1..][..m].to_vec();
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        beside[k] = -norm.copysign(v[0]);
        v[0] -= beside[k];
        let squares = v.iter().map(|x| x * x).sum::<f64>();
        if squares == 0.0 || !squares.is_finite() {
            continue;
        }
        let scale = 2.0 / squares;
        let rows = || (0..m).map(|i| (k + 1 + i) * n + k + 1);
        let mut w: Vec<f64> = rows().map(|at| scale * dot(&matrix[at..][..m], &v)).collect();
        let share = scale / 2.0 * dot(&w, &v);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w -= share * v);
        for (i, at) in rows().enumerate() {
            for ((x, v_j), w_j) in matrix[at..][..m].iter_mut().zip(&v).zip(&w) {
                *x -= v[i] * w_j + w[i] * v_j;
            }
        }
    }
    ((0..n).map(|i| matrix[i * n + i]).collect(), beside)
}

/// A scalar product in four lanes.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut lanes = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        for i in 0..4 {
            lanes[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes[0] + lanes[1] + lanes[2] + lanes[3] + rest
}

/// Makes a tridiagonal matrix diagonal, to the precision of its largest eigenvalue.
fn diagonalize(diagonal: &mut [f64], beside: &mut [f64]) {
    let largest = diagonal.iter().chain(&*beside).fold(0.0_f64, |max, x| max.max(x.abs()));
    let negligible = f64::EPSILON * largest;
    let mut end = diagonal.len().saturating_sub(1);
    // Two steps for each eigenvalue are the rule; the bound is for numbers that are not finite.
    for _ in 0..30 * diagonal.len() {
        while end > 0 && beside[end - 1].abs() <= negligible {
            end -= 1;
        }
        if end == 0 {
            return;
        }
        let start = (0..end).rev().find(|&i| beside[i].abs() <= negligible).map_or(0, |i| i + 1);
        step(&mut diagonal[start..=end], &mut beside[start..end]);
    }
}

/// One QR step on a tridiagonal matrix without zeros beside its diagonal.
fn step(diagonal: &mut [f64], beside: &mut [f64]) {
    let last = diagonal.len() - 1;
    let (half, b) = ((diagonal[last - 1] - diagonal[last]) / 2.0, beside[last - 1]);
    let shift = diagonal[last] - b * b / (half + half.hypot(b).copysign(half));
    let (mut x, mut z) = (diagonal[0] - shift, beside[0]);
    for k in 0..last {
        // Numbers are of the size of squares of weights: far from where squaring them again would overflow.
        let r = (x * x + z * z).sqrt();
        let (cos, sin) = if r == 0.0 { (1.0, 0.0) } else { (x / r, z / r) };
        if k > 0 {
            beside[k - 1] = r;
        }
        let (p, q, b) = (diagonal[k], diagonal[k + 1], beside[k]);
        diagonal[k] = cos * cos * p + 2.0 * cos * sin * b + sin * sin * q;
        diagonal[k + 1] = sin * sin * p - 2.0 * cos * sin * b + cos * cos * q;
        beside[k] = (cos * cos - sin * sin) * b + cos * sin * (q - p);
        if k + 1 < last {
            x = beside[k];
            z = sin * beside[k + 1];
            beside[k + 1] *= cos;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (x, y) in found.iter().zip(expected) {
            assert!((x - y).abs() <= 1e-12 * expected[0].abs(), "{found:?} {expected:?}");
        }
    }

    #[test]
    fn of_a_matrix_with_known_ones() {
        // The path graph: 2 − 2 cos(πk / (n + 1)).
        let n = 50;
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            matrix[i * n + i] = 2.0;
            if i > 0 {
                matrix[i * n + i - 1] = -1.0;
                matrix[(i - 1) * n + i] = -1.0;
            }
        }
        let angle = |k: usize| std::f64::consts::PI * k as f64 / (n + 1) as f64;
        let expected: Vec<f64> = (1..=n).rev().map(|k| 2.0 - 2.0 * angle(k).cos()).collect();
        assert_close(&eigenvalues(matrix, n), &expected);
    }

    #[test]
    fn of_a_dense_matrix() {
        // All ones plus the unit matrix: n + 1 once, else 1.
        let n = 33;
        let matrix = (0..n * n).map(|i| if i % (n + 1) == 0 { 2.0 } else { 1.0 }).collect();
        let mut expected = vec![1.0; n];
        expected[0] = (n + 1) as f64;
        assert_close(&eigenvalues(matrix, n), &expected);
    }

    #[test]
    fn of_gram_matrices() {
        // Columns (1, 2, 2, 0, 0) and (0, 0, 0, 3, 4) are orthogonal, with squares 9 and 25.
        let rows = [1.0, 0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 3.0, 0.0, 4.0];
        assert_close(&eigenvalues(gram(&rows, 2), 2), &[25.0, 9.0]);
    }

    #[test]
    fn of_small_and_broken_ones() {
        assert_eq!(eigenvalues(vec![7.0], 1), [7.0]);
        assert_eq!(eigenvalues(vec![], 0), [0.0; 0]);
        assert_eq!(eigenvalues(vec![0.0; 9], 3), [0.0; 3]);
        assert_eq!(eigenvalues(vec![f64::NAN; 9], 3).len(), 3);
    }
}
