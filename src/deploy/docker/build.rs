//! A Dockerfile to an image, by the engine's own builder.
//!
//! The context is sent while it is made. What the builder prints goes to the log as it comes; when a step fails, the error
//! has the step and what it printed last.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use bollard::models::BuildInfo;
use bollard::query_parameters::BuildImageOptionsBuilder;

use super::body::{self, Body};
use super::{Engine, EngineError, Watch};
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
        let labels = labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let options = BuildImageOptionsBuilder::new().dockerfile(dockerfile).t(tag).labels(&labels);
        let options = options.rm(true).forcerm(true).build();
        let (sender, pieces) = body::pipe();
        let watch = Watch::new(false);
        let docker = self.patient();
        let mut output = Output { log, progress, line: String::new(), step: String::new(), last: VecDeque::new() };
        let answer = async {
            let body = bollard::body_try_stream(body::stream(pieces));
            let mut answer = Box::pin(docker.build_image(options, None, Some(body)));
            let mut id = None;
            loop {
                match self.next(&mut answer, &watch).await {
                    Ok(Some(word)) => id = output.take(word)?.or(id),
                    Ok(None) => return Ok(id),
                    Err(EngineError::Refused(why)) => return Err(output.failed(&why)),
                    Err(error) => return Err(error),
                }
            }
        };
        progress.begin(tag, None);
        let answer = Body::send(&self.runtime, &watch, sender, Box::pin(answer), write_context);
        progress.end();
        let (id, _) = answer?;
        match id {
            Some(id) => Ok(id),
            None => self.image_id(tag)?.ok_or_else(|| EngineError::Refused(format!("it has not built `{tag}`"))),
        }
    }
}

/// What a builder prints.
struct Output<'a> {
    log: &'a mut dyn Write,
    progress: &'a dyn Progress,
    /// A line that has no end yet.
    line: String,
    step: String,
    last: VecDeque<String>,
}

impl Output<'_> {
    /// Takes in a word of the builder; the image's name if it says that.
    fn take(&mut self, word: BuildInfo) -> Result<Option<String>, EngineError> {
        let text = word.stream.or_else(|| word.status.map(|status| status + "\n")).unwrap_or_default();
        self.log.write_all(text.as_bytes()).map_err(EngineError::Log)?;
        self.line.push_str(&text);
        while let Some(end) = self.line.find('\n') {
            let line: String = self.line.drain(..=end).collect();
            self.end_line(line.trim_end());
        }
        Ok(word.aux.and_then(|image| image.id))
    }

    fn end_line(&mut self, line: &str) {
        // The classic builder: `Step 1/3 : FROM scratch`.
        if line.starts_with("Step ") || line.starts_with("STEP ") {
            self.step = line.to_owned();
            self.progress.status(line);
            self.last.clear();
        } else if !line.is_empty() {
            self.last.push_back(line.to_owned());
            if self.last.len() > LINES_SHOWN {
                self.last.pop_front();
            }
        }
    }

    fn failed(&mut self, why: &str) -> EngineError {
        let line = std::mem::take(&mut self.line);
        self.end_line(line.trim_end());
        // A log that cannot be written to is no more important than why there is one.
        let _ = writeln!(self.log, "{why}");
        let step = if self.step.is_empty() { "before its first step".to_owned() } else { self.step.clone() };
        let output: Vec<String> = self.last.drain(..).chain([why.to_owned()]).collect();
        EngineError::BuildFailed { step, output: output.join("\n") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn the_failing_step_and_its_last_lines() {
        let mut log = Vec::new();
        let mut output = Output {
            log: &mut log,
            progress: &Silent,
            line: String::new(),
            step: String::new(),
            last: VecDeque::new(),
        };
        let mut say = |text: &str| {
            let word = BuildInfo { stream: Some(text.to_owned()), ..BuildInfo::default() };
            output.take(word).expect("logged");
        };
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
}
