//! What it costs to look for secrets in the texts of checkpoints, as they come nearly always: with words like `token`, and
//! without secrets; and with one.

use std::hint::black_box;
use std::time::Instant;

use shim_runtime::redact;

use super::figure::Figure;
use super::machine;
use crate::rng::SeededRng;
use crate::sample_content::sentence;

const ROUNDS: usize = 15;
/// Read in each round.
const ROUND_BYTES: usize = 4 * 1024 * 1024;
/// A text of 2 KiB is then looked through in 40 microseconds, which a save does not feel.
const LEAST_MB_PER_SECOND: f64 = 50.0;

/// The figures, telling `progress` what is being measured.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("redaction").await];
    for bytes in [2 * 1024, 20 * 1024] {
        progress(&format!("redaction of {bytes} bytes"));
        let plain = text(bytes);
        let with_secret = format!("{plain}\nDB_PASSWORD={}\n", ["k3yW1th", "N0F0rm"].concat());
        let speed = megabytes_per_second(&plain);
        let name = format!("redaction of {} KiB without a secret", bytes / 1024);
        let figure = Figure::new(name, speed, "MB/s");
        let target = format!(">= {LEAST_MB_PER_SECOND} MB/s");
        figures.push(figure.target(&target, speed >= LEAST_MB_PER_SECOND));
        let name = format!("redaction of {} KiB with a secret", bytes / 1024);
        let speed = megabytes_per_second(&with_secret);
        figures.push(Figure::new(name, speed, "MB/s"));
    }
    figures
}

/// Sentences of a working vocabulary.
fn text(bytes: usize) -> String {
    let mut rng = SeededRng::new(1);
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(&sentence(&mut rng, 14));
        text.push('\n');
    }
    text.truncate(bytes);
    text
}

/// The best of some rounds.
fn megabytes_per_second(text: &str) -> f64 {
    let count = ROUND_BYTES / text.len();
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..count {
            black_box(redact::text(black_box(text)));
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    (count * text.len()) as f64 / best / 1e6
}
