//! The macro that turns a documented struct into metrics.

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
            /// Makes the metrics and registers them; without a registry they are off. Fails if a name is registered
            /// already.
            pub(super) fn make(registry: Option<&prometheus::Registry>) -> prometheus::Result<Self> {
                use $crate::telemetry::kinds::{Definition, Make};
                Ok(Self {
                    $($field: <$kind as Make>::make(
                        registry,
                        &Definition {
                            name: concat!("blockchat_", stringify!($field)).to_owned(),
                            help: concat!($($help),+).trim(),
                            labels: $crate::telemetry::define::or_empty!($($labels)?),
                            buckets: $crate::telemetry::define::or_empty!($($buckets)?),
                        },
                    )?),+
                })
            }

            /// A row of `docs/metrics.md` for each.
            #[cfg(test)]
            pub(super) fn rows() -> Vec<String> {
                let mut rows = Vec::new();
                $({
                    let labels: &[&str] = $crate::telemetry::define::or_empty!($($labels)?);
                    let kind = stringify!($kind).trim_start_matches("Int").trim_end_matches("Vec").to_lowercase();
                    let (name, help) = (concat!("blockchat_", stringify!($field)), concat!($($help),+).trim());
                    rows.push(format!("| `{name}` | {kind} | {} | {help} |", labels.join(", ")));
                })+
                rows
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
