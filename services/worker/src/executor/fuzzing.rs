//! What fuzz targets reach of the executors.

use super::transcript::Transcript;

/// Reads the output of an agent, line by line.
pub fn agent_output(output: &[u8]) {
    let mut transcript = Transcript::default();
    for line in output.split(|byte| *byte == b'\n') {
        transcript.push(line);
    }
    transcript.finish();
    transcript.unknown_rest();
}
