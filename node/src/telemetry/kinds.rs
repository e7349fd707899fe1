//! The kinds of metric. Each may be off: then it counts nothing, and costs one comparison. Only the measurement of what
//! measuring costs turns them off.

use prometheus::core::Collector;
use prometheus::{HistogramOpts, Opts, Registry};

/// How a kind of metric is made. `labels` is empty for the kinds without any.
pub(super) trait Make: Sized {
    fn make(registry: Option<&Registry>, definition: &Definition<'_>) -> prometheus::Result<Self>;
}

/// What a metric is.
pub(super) struct Definition<'a> {
    pub name: String,
    pub help: &'a str,
    pub labels: &'a [&'a str],
    pub buckets: &'a [f64],
}

/// Declares a kind around one of the library's.
macro_rules! kind {
    ($(#[$doc:meta])* $name:ident($inner:ty) = $new:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub struct $name(Option<$inner>);

        impl Make for $name {
            fn make(registry: Option<&Registry>, definition: &Definition<'_>) -> prometheus::Result<Self> {
                let Some(registry) = registry else { return Ok(Self(None)) };
                let new: fn(&Definition<'_>) -> prometheus::Result<$inner> = $new;
                Ok(Self(Some(register(registry, new(definition)?)?)))
            }
        }
    };
}

/// Declares a kind with labels, whose series are of another kind.
macro_rules! kind_with_labels {
    ($(#[$doc:meta])* $name:ident($inner:ty) of $series:ident = $new:expr) => {
        kind!($(#[$doc])* $name($inner) = $new);

        impl $name {
            /// The series with these values of the labels.
            pub fn with_label_values(&self, values: &[&str]) -> $series {
                $series(self.0.as_ref().map(|metric| metric.with_label_values(values)))
            }
        }
    };
}

kind!(
    /// A whole number that goes up and down.
    IntGauge(prometheus::IntGauge) = |metric| prometheus::IntGauge::new(&metric.name, metric.help)
);
kind!(
    /// A number that goes up and down.
    Gauge(prometheus::Gauge) = |metric| prometheus::Gauge::new(&metric.name, metric.help)
);
kind!(
    /// A whole number that only grows.
    IntCounter(prometheus::IntCounter) = |metric| prometheus::IntCounter::new(&metric.name, metric.help)
);
kind!(
    /// A number that only grows.
    Counter(prometheus::Counter) = |metric| prometheus::Counter::new(&metric.name, metric.help)
);
kind!(
    /// How often a value fell below each of some bounds.
    Histogram(prometheus::Histogram) = |metric| prometheus::Histogram::with_opts(histogram(metric))
);
kind_with_labels!(
    /// [`IntGauge`]s, by labels.
    IntGaugeVec(prometheus::IntGaugeVec) of IntGauge = |metric| prometheus::IntGaugeVec::new(options(metric), metric.labels)
);
kind_with_labels!(
    /// [`Gauge`]s, by labels.
    GaugeVec(prometheus::GaugeVec) of Gauge = |metric| prometheus::GaugeVec::new(options(metric), metric.labels)
);
kind_with_labels!(
    /// [`IntCounter`]s, by labels.
    IntCounterVec(prometheus::IntCounterVec) of IntCounter = |metric| prometheus::IntCounterVec::new(options(metric), metric.labels)
);
kind_with_labels!(
    /// [`Histogram`]s, by labels.
    HistogramVec(prometheus::HistogramVec) of Histogram = |metric| prometheus::HistogramVec::new(histogram(metric), metric.labels)
);

fn register<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> prometheus::Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn options(metric: &Definition<'_>) -> Opts {
    Opts::new(&metric.name, metric.help)
}

fn histogram(metric: &Definition<'_>) -> HistogramOpts {
    HistogramOpts::new(&metric.name, metric.help).buckets(metric.buckets.to_vec())
}

impl IntGauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        if let Some(metric) = &self.0 {
            metric.set(value);
        }
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        if let Some(metric) = &self.0 {
            metric.set(value);
        }
    }
}

impl IntCounter {
    /// Adds one.
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Adds this many.
    pub fn inc_by(&self, count: u64) {
        if let Some(metric) = &self.0 {
            metric.inc_by(count);
        }
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.as_ref().map_or(0, prometheus::IntCounter::get)
    }
}

impl Counter {
    /// Adds this much.
    pub fn inc_by(&self, amount: f64) {
        if let Some(metric) = &self.0 {
            metric.inc_by(amount);
        }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn observe(&self, value: f64) {
        if let Some(metric) = &self.0 {
            metric.observe(value);
        }
    }
}
