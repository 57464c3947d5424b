//! What `/metrics` says, in the text format of Prometheus, version 0.0.4.

use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result, TextEncoder,
};

/// Upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counts requests for predictions.
pub struct Counters {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    rows: IntCounterVec,
    in_flight: IntGauge,
}

/// A request that is being answered, until it is dropped.
pub struct InFlight<'c>(&'c IntGauge);

impl Counters {
    /// Nothing counted yet, for models of this version.
    ///
    /// # Errors
    /// None that is known of: names are fixed.
    pub fn new<'m>(models: impl Iterator<Item = &'m str>, version: &str) -> Result<Self> {
        let requests = Opts::new("git_model_requests_total", "Requests for predictions, by the answer's status code.");
        let seconds = HistogramOpts::new("git_model_request_duration_seconds", "Seconds from a request to its answer.");
        let rows = Opts::new("git_model_rows_total", "Rows that were predicted.");
        let info = Opts::new("git_model_info", "The models that are served.");
        let counters = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(requests, &["model", "code"])?,
            seconds: HistogramVec::new(seconds.buckets(BUCKETS.to_vec()), &["model"])?,
            rows: IntCounterVec::new(rows, &["model"])?,
            in_flight: IntGauge::new("git_model_in_flight", "Requests for predictions that are being answered.")?,
        };
        let info = IntGaugeVec::new(info, &["model", "version"])?;
        for model in models {
            info.with_label_values(&[model, version]).set(1);
            counters.rows.with_label_values(&[model]);
            counters.seconds.with_label_values(&[model]);
        }
        counters.registry.register(Box::new(info))?;
        counters.registry.register(Box::new(counters.requests.clone()))?;
        counters.registry.register(Box::new(counters.seconds.clone()))?;
        counters.registry.register(Box::new(counters.rows.clone()))?;
        counters.registry.register(Box::new(counters.in_flight.clone()))?;
        Ok(counters)
    }

    /// A request has come in.
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(&self.in_flight)
    }

    /// A request has been answered; `model` is `None` where it asked for one that is not there.
    pub fn end(&self, model: Option<&str>, code: u16, rows: u64, took: Duration) {
        self.requests.with_label_values(&[model.unwrap_or_default(), &code.to_string()]).inc();
        if let Some(model) = model {
            self.seconds.with_label_values(&[model]).observe(took.as_secs_f64());
            self.rows.with_label_values(&[model]).inc_by(rows);
        }
    }

    /// All counts as text.
    ///
    /// # Errors
    /// None that is known of.
    pub fn text(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_text() -> Result<()> {
        let counters = Counters::new(["a\"b"].into_iter(), "v1")?;
        let in_flight = counters.begin();
        counters.end(Some("a\"b"), 200, 3, Duration::from_millis(3));
        counters.end(None, 404, 0, Duration::ZERO);
        let text = counters.text()?;
        for line in [
            "git_model_info{model=\"a\\\"b\",version=\"v1\"} 1\n",
            "git_model_requests_total{code=\"200\",model=\"a\\\"b\"} 1\n",
            "git_model_requests_total{code=\"404\",model=\"\"} 1\n",
            "git_model_request_duration_seconds_bucket{model=\"a\\\"b\",le=\"0.0025\"} 0\n",
            "git_model_request_duration_seconds_bucket{model=\"a\\\"b\",le=\"0.005\"} 1\n",
            "git_model_request_duration_seconds_count{model=\"a\\\"b\"} 1\n",
            "git_model_rows_total{model=\"a\\\"b\"} 3\n",
            "git_model_in_flight 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        drop(in_flight);
        assert!(counters.text()?.contains("git_model_in_flight 0\n"));
        Ok(())
    }
}
