//! The strict reading of one field of a schedule, before the cron library sees it.
//!
//! The library takes names in any field, skips empty items, and searches for centuries for a time that a field without
//! values never allows. So each field is read here, and the library gets numbers alone, in lists that are not empty.

use std::collections::BTreeSet;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// The longest number of a field has two digits; a few zeros before it do no harm.
const MAX_DIGITS: usize = 4;
/// One of the five fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Minute,
    Hour,
    Date,
    Month,
    Weekday,
}

/// The fields in the order of a schedule.
pub(super) const FIELDS: [Field; 5] = [
    Field::Minute,
    Field::Hour,
    Field::Date,
    Field::Month,
    Field::Weekday,
];

/// What a field allows.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    /// It is `*` or `?`.
    pub(super) is_any: bool,
    pub(super) numbers: BTreeSet<u32>,
    /// Items with `L`, `W` or `#`, as the library reads them.
    special: Vec<String>,
    /// The dates that items with `W` begin from.
    pub(super) dates_of_special: BTreeSet<u32>,
    /// The last day of the month is among them.
    pub(super) has_last: bool,
}

impl Values {
    /// The values as the library reads them.
    pub(super) fn canonical(&self) -> String {
        if self.is_any {
            return "*".to_owned();
        }
        let numbers = self.numbers.iter().map(u32::to_string);
        numbers
            .chain(self.special.iter().cloned())
            .collect::<Vec<_>>()
            .join(",")
    }
}

impl Field {
    /// What the field is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Date => "day of the month",
            Self::Month => "month",
            Self::Weekday => "day of the week",
        }
    }

    /// The lowest and the highest number; 7 is Sunday, as 0 is.
    const fn bounds(self) -> (u32, u32) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Date => (1, 31),
            Self::Month => (1, 12),
            Self::Weekday => (0, 7),
        }
    }

    /// How many values it has.
    const fn size(self) -> u32 {
        match self {
            Self::Weekday => 7,
            _ => {
                let (lowest, highest) = self.bounds();
                highest - lowest + 1
            }
        }
    }

    const fn is_day(self) -> bool {
        matches!(self, Self::Date | Self::Weekday)
    }

    /// Reads the text of a field.
    pub(super) fn read(self, text: &str) -> Result<Values, String> {
        if let Some(other) = text.chars().find(|c| !is_of_schedules(*c)) {
            return Err(format!("{other:?} has no place in a schedule"));
        }
        let text = text.to_ascii_uppercase();
        let mut values = Values {
            is_any: text == "*" || (text == "?" && self.is_day()),
            ..Values::default()
        };
        if values.is_any {
            return Ok(values);
        }
        for item in text.split(',') {
            self.item(item, &mut values)?;
        }
        Ok(values)
    }

    fn item(self, item: &str, values: &mut Values) -> Result<(), String> {
        match item {
            "" => return Err("an item is empty: take the comma out".to_owned()),
            "*" => return Err("* stands alone: it makes the rest of a list meaningless".to_owned()),
            "?" => return Err("? stands alone, in one of the two fields of days".to_owned()),
            _ => {}
        }
        if let Some((range, typed)) = item.split_once('/') {
            // First the step: what is proposed for the range has it.
            let step = self.step(typed)?;
            let (first, last) = match range {
                "*" => (self.bounds().0, self.bounds().0 + self.size() - 1),
                _ => self.stepped_range(range, typed, step)?,
            };
            values.add((first..=last).step_by(step), self);
        } else if self.special(item, values)? {
            // Added already.
        } else if let Some((first, last)) = item.split_once('-') {
            let (first, last) = self.range(first, last, None)?;
            values.add(first..=last, self);
        } else {
            let number = self.number(item)?;
            values.add(number..=number, self);
        }
        Ok(())
    }

    /// The range before a step. A step that leaves its range at once is a slip: what else comes is what nobody wrote.
    fn stepped_range(self, range: &str, typed: &str, step: usize) -> Result<(u32, u32), String> {
        let Some((first, last)) = range.split_once('-') else {
            let from = if range.is_empty() {
                format!("*/{typed}")
            } else {
                stepped(self.number(range)?, self.bounds().1, Some(step))
            };
            return Err(format!(
                "a step follows * or a range: write {from} if you mean that"
            ));
        };
        let (from, to) = self.range(first, last, Some(step))?;
        if is_beyond(from, to, step) {
            return Err(format!(
                "a step of {step} is longer than the range {first}-{last}, of which only the first would ever come: \
                 write {from} if you mean that"
            ));
        }
        Ok((from, to))
    }

    fn step(self, text: &str) -> Result<usize, String> {
        let size = self.size();
        match digits(text) {
            None => Err(format!("the step \"{text}\" is no number")),
            Some(0) => Err("a step of 0 leads nowhere".to_owned()),
            Some(step) if step > size => Err(format!(
                "a step of {step} is longer than the field, which has {size} values: only the first would ever come"
            )),
            Some(step) => Ok(usize::try_from(step).unwrap_or(usize::MAX)),
        }
    }

    /// A range; `step` is what follows it.
    fn range(self, first: &str, last: &str, step: Option<usize>) -> Result<(u32, u32), String> {
        let (from, to) = (self.number(first)?, self.number(last)?);
        // Sunday ends a week as well as it begins one.
        let from = if self == Self::Weekday && from == 7 && to < 7 {
            0
        } else {
            from
        };
        let to = if self == Self::Weekday && to == 0 && from > 0 {
            7
        } else {
            to
        };
        if from > to {
            let (lowest, highest) = self.bounds();
            let highest = highest.min(lowest + self.size() - 1);
            let (end, begin) = (stepped(from, highest, step), stepped(lowest, to, step));
            return Err(format!(
                "the range {first}-{last} runs backwards: write {end},{begin} if you mean that"
            ));
        }
        Ok((from, to))
    }

    /// A number or a name.
    fn number(self, text: &str) -> Result<u32, String> {
        let (lowest, highest) = self.bounds();
        if let Some(number) = digits(text) {
            return if (lowest..=highest).contains(&number) {
                Ok(number)
            } else {
                Err(format!("{text} is not within {lowest} to {highest}"))
            };
        }
        let position = |names: &[&str]| names.iter().position(|name| *name == text);
        match (self, position(&MONTHS), position(&WEEKDAYS)) {
            (Self::Month, Some(month), _) => Ok(u32::try_from(month).unwrap_or_default() + 1),
            (Self::Weekday, _, Some(day)) => Ok(u32::try_from(day).unwrap_or_default()),
            (_, Some(_), _) => Err(format!(
                "{text} is a month, and months are the fourth field"
            )),
            (_, _, Some(_)) => Err(format!(
                "{text} is a day of the week, and those are the fifth field"
            )),
            _ => Err(self.no_number(text)),
        }
    }

    fn no_number(self, text: &str) -> String {
        let (lowest, highest) = self.bounds();
        let names = match self {
            Self::Month => ", or one of JAN to DEC",
            Self::Weekday => {
                ", or one of SUN to SAT; L and # as in 5L (the last Friday) and 5#2 (the second)"
            }
            Self::Date => {
                "; L and W as in L (the last day), 15W (the weekday nearest to the 15th) and LW"
            }
            Self::Minute | Self::Hour => "",
        };
        if text.is_empty() {
            return format!("a number is missing; it is {lowest} to {highest}{names}");
        }
        format!("\"{text}\" is none of {lowest} to {highest}{names}")
    }

    /// Adds an item with `L`, `W` or `#`; `false` if it is none.
    fn special(self, item: &str, values: &mut Values) -> Result<bool, String> {
        match self {
            Self::Date if item == "L" || item == "LW" => {
                values.has_last = true;
                values.special.push(item.to_owned());
            }
            Self::Date if item.ends_with('W') => {
                let date = self.number(&item[..item.len() - 1])?;
                values.dates_of_special.insert(date);
                values.special.push(format!("{date}W"));
            }
            Self::Weekday if item.contains('#') => {
                let (day, nth) = item.split_once('#').unwrap_or((item, ""));
                let day = self.number(day)? % 7;
                let Some(nth @ 1..=5) = digits(nth) else {
                    return Err(format!("\"{nth}\" after # is none of 1 to 5"));
                };
                values.special.push(format!("{day}#{nth}"));
            }
            Self::Weekday if item.len() > 1 && item.ends_with('L') => {
                let day = self.number(&item[..item.len() - 1])? % 7;
                values.special.push(format!("{day}L"));
            }
            _ => return Ok(false),
        }
        let ends = |what: &str| values.special.iter().any(|item| item == what);
        if ends("L") && ends("LW") {
            return Err("L and LW are two different days: give one of them".to_owned());
        }
        Ok(true)
    }
}

impl Values {
    fn add(&mut self, numbers: impl Iterator<Item = u32>, field: Field) {
        self.numbers.extend(numbers.map(|number| match field {
            Field::Weekday => number % 7,
            _ => number,
        }));
    }
}

/// Whether a step leads out of a range from its first number.
fn is_beyond(from: u32, to: u32, step: usize) -> bool {
    (from..=to).count() < step
}

/// A range with its step; its first number alone where that is all that comes.
fn stepped(from: u32, to: u32, step: Option<usize>) -> String {
    match step {
        Some(step) if is_beyond(from, to, step) => from.to_string(),
        Some(step) => format!("{from}-{to}/{step}"),
        None => format!("{from}-{to}"),
    }
}

fn is_of_schedules(c: char) -> bool {
    c.is_ascii_alphanumeric() || "*/,-#?".contains(c)
}

/// A number in digits alone; a sign is none.
fn digits(text: &str) -> Option<u32> {
    let plain = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}
