//! Sentences of the report on what a reader should know besides the verdict: messages of the server's own, a close that asks for
//! another form, lateness that does not yet void the run. Pure.

use crate::message::{Form, Sample};
use crate::record::Trouble;
use crate::report::figures::{count, percent};

use super::totals::Totals;

/// The notes on a run that sent messages of this form; `None` if the scenario sends none.
pub(super) fn notes(totals: &Totals, form: Option<Form>) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(unexpected(totals));
    notes.extend(form.and_then(|form| other_form(totals, form)));
    notes
}

fn unexpected(totals: &Totals) -> Option<String> {
    let number = totals.counts.unexpected;
    if number == 0 {
        return None;
    }
    let samples: Vec<String> = totals.samples.iter().map(described).collect();
    let shown = samples.join("; ");
    Some(if number == 1 {
        format!("the server sent a message of its own, which answers nothing that was sent: {shown}")
    } else {
        let number = count(number);
        format!("the server sent {number} messages of its own, which answer nothing that was sent, for example {shown}")
    })
}

/// The advice to send text, if the server seems to take nothing else.
fn other_form(totals: &Totals, form: Form) -> Option<String> {
    let closed = |code| totals.errors.get(&Trouble::Closed(Some(code))).copied().unwrap_or(0);
    let (sent, option) = match form {
        Form::Binary => ("binary", "--text sends text"),
        Form::Text => ("text", "without --text they are binary"),
    };
    let refused = closed(UNSUPPORTED_DATA);
    if refused > 0 {
        return Some(format!(
            "the server closed with 1003, which says that it does not take this kind of data (RFC 6455 section 7.4.1): the \
             messages were {sent}; {option}"
        ));
    }
    let answers_in_text = form == Form::Binary && totals.samples.iter().any(|sample| sample.form == Some(Form::Text));
    (totals.counts.received == 0 && answers_in_text).then(|| {
        "no message came back as it was sent, and the server sent text: if it is an echo that answers binary messages as \
         text, --text asks it in text"
            .to_owned()
    })
}

/// The close code of an endpoint that received data it cannot accept.
const UNSUPPORTED_DATA: u16 = 1003;

/// `text of 31 bytes, "Request served by 4ea2b1"..`.
fn described(sample: &Sample) -> String {
    let Sample { form, len, start } = sample;
    let kind = match form {
        Some(Form::Text) => "text",
        Some(Form::Binary) => "binary",
        None => "a message",
    };
    let bytes = if *len == 1 { "1 byte".to_owned() } else { format!("{} bytes", count(*len as u64)) };
    let more = if *len > start.len() { ".." } else { "" };
    let shown = match form {
        Some(Form::Binary) | None if !start.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => {
            format!(", 0x{}{more}", start.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        _ if start.is_empty() => String::new(),
        _ => format!(", \"{}\"{more}", String::from_utf8_lossy(start)),
    };
    format!("{kind} of {bytes}{shown}")
}

/// A run is void if more than this share of its messages was taken up late.
const MAX_LATE_SHARE: f64 = 0.01;
/// A share that is measured over few messages differs from the true one by chance: by so many standard deviations at most.
const DEVIATIONS: f64 = 3.0;

/// The meaning of late messages for a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lateness {
    /// Few or none.
    Harmless,
    /// More than 1 %, but no more than chance explains where 1 % are late. The note says so.
    Noted(String),
    /// The generator fell behind. The reason says so.
    Void(String),
}

/// Judges how many of the messages, or of the connections of a storm, the generator took up late.
pub(super) fn lateness(late: u64, due: u64, things: &str) -> Lateness {
    let (late, due) = (float(late), float(due));
    if late <= MAX_LATE_SHARE * due {
        return Lateness::Harmless;
    }
    let chance = DEVIATIONS * (due * MAX_LATE_SHARE * (1.0 - MAX_LATE_SHARE)).sqrt();
    let told = format!("{late} of {due} {things} ({}) were taken up more than 1 ms late", percent(late / due));
    if late <= MAX_LATE_SHARE * due + chance {
        Lateness::Noted(format!(
            "{told} by the generator; so few do not void the run, but their latency contains the delay"
        ))
    } else {
        Lateness::Void(format!(
            "the generator fell behind its schedule: {told}; give it CPUs of its own (--cpus), or ask for less"
        ))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{Lateness, described, lateness, notes};
    use crate::control::totals::Totals;
    use crate::message::{Form, Sample};
    use crate::record::Trouble;

    fn sample(form: Form, len: usize, start: &[u8]) -> Sample {
        Sample { form: Some(form), len, start: start.to_vec() }
    }

    #[test]
    fn what_the_server_sent_is_told_in_words_e1() {
        assert_eq!(described(&sample(Form::Text, 31, b"Request served")), "text of 31 bytes, \"Request served\"..");
        assert_eq!(described(&sample(Form::Text, 2, b"hi")), "text of 2 bytes, \"hi\"");
        assert_eq!(described(&sample(Form::Binary, 3, &[0, 1, 255])), "binary of 3 bytes, 0x0001ff");
        assert_eq!(described(&sample(Form::Binary, 1, b"x")), "binary of 1 byte, \"x\"");
        assert_eq!(described(&sample(Form::Text, 0, b"")), "text of 0 bytes");
        let mut totals = Totals::new();
        assert!(notes(&totals, Some(Form::Binary)).is_empty());
        totals.counts.unexpected = 1200;
        totals.counts.received = 9;
        totals.samples = vec![sample(Form::Text, 2, b"hi")];
        assert_eq!(
            notes(&totals, Some(Form::Binary)),
            [
                "the server sent 1,200 messages of its own, which answer nothing that was sent, for example text of 2 bytes, \"hi\""
            ]
        );
    }

    #[test]
    fn a_server_that_wants_text_is_recognised_e1() {
        let mut totals = Totals::new();
        totals.counts.unexpected = 1;
        totals.samples = vec![sample(Form::Text, 2, b"hi")];
        assert!(notes(&totals, Some(Form::Binary)).iter().any(|note| note.ends_with("--text asks it in text")));
        assert!(!notes(&totals, Some(Form::Text)).iter().any(|note| note.contains("--text")));
        totals.errors.insert(Trouble::Closed(Some(1003)), 4);
        assert!(notes(&totals, Some(Form::Binary)).iter().any(|note| note.contains("were binary; --text sends text")));
    }

    #[test]
    fn few_late_messages_are_noted_and_many_void_the_run_e3() {
        assert_eq!(lateness(0, 0, "messages"), Lateness::Harmless);
        assert_eq!(lateness(1, 150, "messages"), Lateness::Harmless);
        let Lateness::Noted(note) = lateness(2, 150, "connections") else { panic!("2 of 150") };
        assert!(note.starts_with("2 of 150 connections (1.3%) were taken up more than 1 ms late"), "{note}");
        assert!(matches!(lateness(5, 150, "messages"), Lateness::Noted(_)));
        assert!(matches!(lateness(6, 150, "messages"), Lateness::Void(_)));
        // The more messages, the less chance explains.
        assert!(matches!(lateness(129, 10_000, "messages"), Lateness::Noted(_)));
        assert!(matches!(lateness(130, 10_000, "messages"), Lateness::Void(_)));
        assert!(matches!(lateness(10_400, 1_000_000, "messages"), Lateness::Void(_)));
    }
}
