//! The strict check of a whole schedule: five fields, each of which is read, and a day that comes.

use shim_proto::limits::task::MAX_SCHEDULE_BYTES;

use super::fields::{FIELDS, Values};

/// The days of each month, February's in a leap year.
const DAYS_OF_MONTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/// Other ways to write a schedule, and what to write instead.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * SUN"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A schedule whose fields were checked.
#[derive(Debug, Clone)]
pub(super) struct CheckedSchedule {
    values: [Values; 5],
}

impl CheckedSchedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong, and in which field, in words for the author of the schedule.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = if text.len() > MAX_SCHEDULE_BYTES {
            Vec::new()
        } else {
            text.split_whitespace().collect()
        };
        let Ok(fields) = <[&str; 5]>::try_from(fields) else {
            return Err(not_five_fields(text));
        };
        let mut values = [const { None }; 5];
        for ((field, text), read) in FIELDS.into_iter().zip(fields).zip(&mut values) {
            let checked = field.read(text);
            *read = Some(checked.map_err(|wrong| {
                format!("is no cron schedule: {} {text:?}: {wrong}", field.name())
            })?);
        }
        let checked = Self {
            values: values.map(Option::unwrap_or_default),
        };
        if checked.never_comes() {
            return Err("names a day that never comes".to_owned());
        }
        Ok(checked)
    }

    /// The schedule in numbers.
    pub(super) fn canonical(&self) -> String {
        self.values
            .each_ref()
            .map(Values::canonical)
            .as_slice()
            .join(" ")
    }

    /// Whether both fields of days are given; then a day needs to be in one of them only.
    pub(super) fn gives_both_days(&self) -> bool {
        let [_, _, dates, _, weekdays] = &self.values;
        !dates.is_any && !weekdays.is_any
    }

    /// Whether no month of the schedule has one of its dates. A day of the week always comes.
    fn never_comes(&self) -> bool {
        let [_, _, dates, months, weekdays] = &self.values;
        if dates.is_any || dates.has_last || !weekdays.is_any {
            return false;
        }
        let first = dates.numbers.iter().chain(&dates.dates_of_special).min();
        let has_day = |(days, month): (&u32, u32)| {
            (months.is_any || months.numbers.contains(&month)) && first.is_some_and(|it| it <= days)
        };
        !DAYS_OF_MONTHS.iter().zip(1..).any(has_day)
    }
}

/// What is said of a text that is no five fields.
fn not_five_fields(text: &str) -> String {
    let bytes = text.len();
    let fields = text.split_whitespace().take(100).count();
    let first = text.split_whitespace().next().unwrap_or_default();
    let nickname = |(name, _): &&(&str, &str)| name.eq_ignore_ascii_case(first);
    let hint = if let Some((name, fields)) = NICKNAMES.iter().find(nickname) {
        format!("; write {name} as \"{fields}\"")
    } else if first.contains('=') {
        "; a time zone cannot be given, times are UTC".to_owned()
    } else if (6..=7).contains(&fields) {
        "; neither seconds nor years can be given".to_owned()
    } else {
        String::new()
    };
    format!(
        "must be five cron fields (minute, hour, day of the month, month, day of the week), such as \"0 6 * * 1-5\", \
         of at most {MAX_SCHEDULE_BYTES} bytes; it has {fields} fields in {bytes} bytes{hint}"
    )
}
