//! The macro that turns a documented struct into registered metrics.

use prometheus::core::Collector;
use prometheus::{
    Counter, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// How a kind of metric is made. `labels` is empty for the kinds without any.
pub(super) trait Make: Collector + Clone + Sized + 'static {
    fn make(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self>;

    fn register(
        registry: &Registry,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> prometheus::Result<Self> {
        let metric = Self::make(&format!("blockchat_{name}"), help.trim(), labels, buckets)?;
        registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

impl Make for IntGauge {
    fn make(name: &str, help: &str, _: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(name, help)
    }
}
impl Make for IntCounter {
    fn make(name: &str, help: &str, _: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(name, help)
    }
}
impl Make for Counter {
    fn make(name: &str, help: &str, _: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(name, help)
    }
}
impl Make for Histogram {
    fn make(name: &str, help: &str, _: &[&str], buckets: &[f64]) -> prometheus::Result<Self> {
        Self::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
    }
}
impl Make for IntGaugeVec {
    fn make(name: &str, help: &str, labels: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(Opts::new(name, help), labels)
    }
}
impl Make for GaugeVec {
    fn make(name: &str, help: &str, labels: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(Opts::new(name, help), labels)
    }
}
impl Make for IntCounterVec {
    fn make(name: &str, help: &str, labels: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(Opts::new(name, help), labels)
    }
}
impl Make for HistogramVec {
    fn make(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self> {
        Self::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
    }
}

/// Declares a struct of metrics. The field's doc is the help text, its name (with the prefix `blockchat_`) the metric's.
macro_rules! metrics_struct {
    (
        $(#[$struct_doc:meta])*
        pub struct $name:ident {
            $($(#[doc = $help:literal])+ $field:ident: $kind:ty $(, labels = $labels:expr)? $(, buckets = $buckets:expr)?;)+
        }
    ) => {
        $(#[$struct_doc])*
        #[derive(Clone, Debug)]
        pub struct $name { $($(#[doc = $help])+ pub $field: $kind),+ }

        impl $name {
            /// Makes the metrics and registers them. Fails if a name is registered already.
            pub fn register(registry: &prometheus::Registry) -> prometheus::Result<Self> {
                Ok(Self {
                    $($field: <$kind as $crate::telemetry::define::Make>::register(
                        registry,
                        stringify!($field),
                        concat!($($help),+),
                        $crate::telemetry::define::or_empty!($($labels)?),
                        $crate::telemetry::define::or_empty!($($buckets)?),
                    )?),+
                })
            }
        }
    };
}
pub(super) use metrics_struct;

/// The list given, or none.
macro_rules! or_empty {
    () => {
        &[]
    };
    ($list:expr) => {
        $list
    };
}
pub(super) use or_empty;
