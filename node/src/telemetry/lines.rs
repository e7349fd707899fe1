//! How an event becomes a line: text for people, JSON for collectors. Every line carries the member, its height and round,
//! and, inside a trace, the trace's id.

use std::fmt;

use opentelemetry::trace::TraceContextExt as _;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::place::Place;

/// Text, for a terminal.
pub(super) struct TextLines {
    inner: Format<Full, SystemTime>,
    colours: bool,
    place: Place,
}

impl TextLines {
    pub(super) fn new(place: Place, colours: bool) -> Self {
        Self { inner: Format::default().with_ansi(colours), colours, place }
    }
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(line.trim_end_matches('\n'))?;
        let around = around(&self.place, |name| event.metadata().fields().field(name).is_some());
        let (dim, plain) = if self.colours { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        for (name, value) in around {
            // The quotes of a text are JSON's.
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(writer, " {dim}{name}={value}{plain}")?;
        }
        writeln!(writer)
    }
}

/// One JSON object a line.
pub(super) struct JsonLines {
    place: Place,
}

impl JsonLines {
    pub(super) fn new(place: Place) -> Self {
        Self { place }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        // Events of libraries that write to `log` come with their place in the source.
        let target = fields.iter().find(|(name, _)| *name == "log.target").map(|(_, target)| target.clone());
        fields.retain(|(name, _)| !name.starts_with("log."));
        let has = |name: &str| fields.iter().any(|(known, _)| *known == name);
        let mut line: Vec<(&str, Value)> = vec![
            ("timestamp", timestamp.into()),
            ("level", metadata.level().as_str().into()),
            ("target", target.unwrap_or_else(|| metadata.target().into())),
        ];
        line.extend(around(&self.place, has));
        line.extend(fields);
        for (number, (name, value)) in line.iter().enumerate() {
            let (before, name) = (if number == 0 { '{' } else { ',' }, Value::from(*name));
            write!(writer, "{before}{name}:{value}")?;
        }
        writeln!(writer, "}}")
    }
}

/// What surrounds the event, but for names that the event uses itself.
fn around(place: &Place, taken: impl Fn(&str) -> bool) -> Vec<(&'static str, Value)> {
    let mut found: Vec<(&str, Value)> = Vec::new();
    if let Some(at) = place.standing() {
        found.extend([("member", at.member.into()), ("height", at.height.into()), ("round", at.round.into())]);
    }
    opentelemetry::Context::map_current(|context| {
        let span = context.span();
        if span.span_context().is_valid() {
            found.push(("trace_id", span.span_context().trace_id().to_string().into()));
        }
    });
    found.retain(|(name, _)| !taken(name));
    found
}

/// The fields of an event, as JSON.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Buffer {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn lines(place: &Place, json: bool, work: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let layer = tracing_subscriber::fmt::layer().with_writer(buffer.clone());
        let layer = if json {
            layer.event_format(JsonLines::new(place.clone())).boxed()
        } else {
            layer.event_format(TextLines::new(place.clone(), false)).boxed()
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn place() -> Place {
        let place = Place::default();
        place.joined(3);
        place.at(12, 1);
        place
    }

    fn in_a_trace(work: impl FnOnce()) {
        let context =
            SpanContext::new(TraceId::from(7), SpanId::from(9), TraceFlags::SAMPLED, true, TraceState::default());
        let _guard = opentelemetry::Context::new().with_remote_span_context(context).attach();
        work();
    }

    #[test]
    fn json_carries_trace_member_height_and_round_once_each() {
        let text = lines(&place(), true, || {
            tracing::info!(count = 2, "a \"quoted\" word");
            in_a_trace(|| tracing::warn!(height = 99_u64, "another height"));
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["message"], "a \"quoted\" word");
        assert_eq!((&lines[0]["member"], &lines[0]["height"], &lines[0]["round"]), (&3.into(), &12.into(), &1.into()));
        assert_eq!((&lines[0]["count"], &lines[0]["level"]), (&2.into(), &"INFO".into()));
        assert_eq!(lines[0]["trace_id"], Value::Null);
        assert_eq!(lines[1]["trace_id"], "00000000000000000000000000000007");
        assert_eq!(lines[1]["height"], 99);
        assert_eq!(text.lines().nth(1).unwrap().matches("\"height\"").count(), 1, "{text}");
    }

    #[test]
    fn text_says_the_same_at_the_end_of_the_line() {
        let text = lines(&place(), false, || in_a_trace(|| tracing::info!(peer = 2, "connected")));
        assert!(
            text.ends_with("connected peer=2 member=3 height=12 round=1 trace_id=00000000000000000000000000000007\n"),
            "{text}"
        );
    }

    #[test]
    fn a_node_that_has_not_joined_is_nobody() {
        let text = lines(&Place::default(), false, || tracing::info!("starting"));
        assert!(text.ends_with("starting\n"), "{text}");
    }
}
