//! A Dockerfile to an image: by BuildKit where there is a client for it, else by the engine's classic builder.
//!
//! The context is sent while it is made. What the builder prints goes to the log as it comes; when a step fails, the error
//! has the step and what it printed last.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use bollard::query_parameters::BuildImageOptionsBuilder;

use super::body::{self, Body};
use super::{Engine, EngineError, Watch, buildkit};
use crate::progress::Progress;

/// So many lines of a failing step are shown.
const LINES_SHOWN: usize = 20;

impl Engine {
    /// Builds an image from the context that `write_context` writes, as a tar archive, and names it `tag`. Returns the
    /// engine's name for it.
    ///
    /// # Errors
    /// A step that fails, a context that cannot be made, an engine that does not answer.
    pub fn build(
        &self,
        write_context: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        dockerfile: &str,
        tag: &str,
        labels: &BTreeMap<String, String>,
        log: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<String, EngineError> {
        let mut output = Output::new(log, progress);
        progress.begin(tag, None);
        let built = match buildkit::client().filter(|_| !self.is_podman) {
            Some(client) => self.build_with(client, write_context, dockerfile, tag, labels, &mut output),
            None => self.build_classic(write_context, dockerfile, tag, labels, &mut output),
        };
        progress.end();
        built?;
        self.image_id(tag)?.ok_or_else(|| EngineError::Refused(format!("it has not built `{tag}`")))
    }

    fn build_classic(
        &self,
        write_context: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        dockerfile: &str,
        tag: &str,
        labels: &BTreeMap<String, String>,
        output: &mut Output<'_>,
    ) -> Result<(), EngineError> {
        let labels = labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let options = BuildImageOptionsBuilder::new().dockerfile(dockerfile).t(tag).labels(&labels);
        let options = options.rm(true).forcerm(true).build();
        let (sender, pieces) = body::pipe();
        let watch = Watch::new(false);
        let docker = self.patient();
        let answer = async {
            let body = bollard::body_try_stream(body::stream(pieces));
            let mut answer = Box::pin(docker.build_image(options, None, Some(body)));
            loop {
                match self.next(&mut answer, &watch).await {
                    Ok(Some(word)) => {
                        let text = word.stream.or_else(|| word.status.map(|status| status + "\n"));
                        output.say(&text.unwrap_or_default())?;
                    }
                    Ok(None) => return Ok(()),
                    Err(EngineError::Refused(why)) => return Err(output.failed(&why)),
                    Err(error) => return Err(error),
                }
            }
        };
        Body::send(&self.runtime, &watch, sender, Box::pin(answer), write_context)
    }
}

/// What a builder prints.
pub(super) struct Output<'a> {
    log: &'a mut dyn Write,
    progress: &'a dyn Progress,
    /// A line that has no end yet.
    line: String,
    step: String,
    last: VecDeque<String>,
}

impl<'a> Output<'a> {
    fn new(log: &'a mut dyn Write, progress: &'a dyn Progress) -> Self {
        Self { log, progress, line: String::new(), step: String::new(), last: VecDeque::new() }
    }

    /// Takes in what the builder says.
    pub(super) fn say(&mut self, text: &str) -> Result<(), EngineError> {
        self.log.write_all(text.as_bytes()).map_err(EngineError::Log)?;
        self.line.push_str(text);
        while let Some(end) = self.line.find('\n') {
            let line: String = self.line.drain(..=end).collect();
            self.end_line(line.trim_end());
        }
        Ok(())
    }

    fn end_line(&mut self, line: &str) {
        if let Some(step) = step(line) {
            step.clone_into(&mut self.step);
            self.progress.status(step);
            self.last.clear();
        } else if !line.is_empty() && !is_rule(line) {
            self.last.push_back(line.to_owned());
            if self.last.len() > LINES_SHOWN {
                self.last.pop_front();
            }
        }
    }

    /// The failure of a builder that has said why among its words.
    pub(super) fn failed_with(&mut self, status: &str) -> EngineError {
        let line = std::mem::take(&mut self.line);
        self.end_line(line.trim_end());
        let output: Vec<String> = self.last.drain(..).collect();
        EngineError::BuildFailed {
            step: self.step(),
            output: if output.is_empty() { status.to_owned() } else { output.join("\n") },
        }
    }

    fn failed(&mut self, why: &str) -> EngineError {
        // A log that cannot be written to is no more important than why there is one.
        let _ = writeln!(self.log, "{why}");
        let line = std::mem::take(&mut self.line);
        self.end_line(line.trim_end());
        self.last.push_back(why.to_owned());
        self.failed_with(why)
    }

    fn step(&self) -> String {
        if self.step.is_empty() { "before its first step".to_owned() } else { self.step.clone() }
    }
}

/// The step that a line begins. The classic builder: `Step 1/3 : FROM scratch`. BuildKit: ` > [2/3] COPY a b:`, which comes
/// before the words of the step that failed, and `#5 [2/3] COPY a b` while it builds.
fn step(line: &str) -> Option<&str> {
    if line.starts_with("Step ") || line.starts_with("STEP ") {
        return Some(line);
    }
    if let Some(step) = line.strip_prefix(" > ") {
        return Some(step.trim_end_matches(':'));
    }
    let (_, step) = line.strip_prefix('#')?.split_once(' ')?;
    step.starts_with('[').then_some(step)
}

/// A line between two parts of what BuildKit says.
fn is_rule(line: &str) -> bool {
    line.chars().all(|c| c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn the_failing_step_and_its_last_lines() {
        let mut log = Vec::new();
        let mut output = Output::new(&mut log, &Silent);
        let mut say = |text: &str| output.say(text).expect("logged");
        say("Step 1/2 : FROM scratch\n ---> 1234\n");
        say("Step 2/2 : RUN ma");
        say("ke\n");
        (0..30).for_each(|number| say(&format!("line {number}\n")));
        say("no end");
        let EngineError::BuildFailed { step, output } = output.failed("make: not found") else { panic!("a failure") };
        assert_eq!(step, "Step 2/2 : RUN make");
        assert!(output.starts_with("line 11\n") && output.ends_with("line 29\nno end\nmake: not found"), "{output}");
        assert!(String::from_utf8(log).expect("text").contains(" ---> 1234\n"));
    }

    #[test]
    fn words_of_buildkit() {
        let mut log = Vec::new();
        let mut output = Output::new(&mut log, &Silent);
        let words = "#4 [1/2] COPY models /models\n#4 DONE 0.0s\n\n#5 [2/2] COPY absent.txt /\n#5 ERROR: not found\n------\n \
                     > [2/2] COPY absent.txt /:\n------\nfailed to compute cache key: \"/absent.txt\" not found\n";
        output.say(words).expect("logged");
        let EngineError::BuildFailed { step, output } = output.failed_with("exit status: 1") else {
            panic!("a failure")
        };
        assert_eq!(step, "[2/2] COPY absent.txt /");
        assert_eq!(output, "failed to compute cache key: \"/absent.txt\" not found");
        assert_eq!(String::from_utf8(log).expect("text"), words);
    }
}
