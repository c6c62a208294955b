#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp()
}

fn next(schedule: &str, after: &str) -> i64 {
    Schedule::parse(schedule).unwrap().after(at(after)).unwrap()
}

fn wrong(text: &str) -> String {
    let Err(wrong) = Schedule::parse(text) else {
        panic!("{text:?} is taken");
    };
    wrong
}

#[test]
fn the_next_run_is_after_the_given_time() {
    let new_year = "2026-01-01T00:00:00Z";
    let cases = [
        ("* * * * *", "2026-03-01T00:00:00Z", "2026-03-01T00:01:00Z"),
        (
            "*/15 * * * *",
            "2026-03-01T00:14:59Z",
            "2026-03-01T00:15:00Z",
        ),
        (
            "0 6 * * 1-5",
            "2026-03-06T06:00:00Z",
            "2026-03-09T06:00:00Z",
        ),
        ("30 4 1 * *", "2026-12-31T23:59:59Z", "2027-01-01T04:30:00Z"),
        ("0 0 29 2 *", new_year, "2028-02-29T00:00:00Z"),
        ("0 0 31 2,3 *", new_year, "2026-03-31T00:00:00Z"),
        (
            "0 12 * JAN mon",
            "2026-02-01T00:00:00Z",
            "2027-01-04T12:00:00Z",
        ),
        // Names in lists and ranges, in any case; Sunday at both ends of a week.
        ("0 0 * * Mon,WED", new_year, "2026-01-05T00:00:00Z"),
        ("0 0 1 feb-MAR *", new_year, "2026-02-01T00:00:00Z"),
        ("0 0 * * SAT-SUN", new_year, "2026-01-03T00:00:00Z"),
        ("0 0 * * 7", new_year, "2026-01-04T00:00:00Z"),
        (
            "0 0 * * FRI-7",
            "2026-01-03T00:00:00Z",
            "2026-01-04T00:00:00Z",
        ),
        (
            "0 0 * * 1-5/2",
            "2026-01-05T00:00:00Z",
            "2026-01-07T00:00:00Z",
        ),
        ("05 007 * * *", new_year, "2026-01-01T07:05:00Z"),
        (
            "*/60 */24 */31 */12 *",
            "2026-01-02T00:00:00Z",
            "2027-01-01T00:00:00Z",
        ),
        // What the days of a month depend on.
        ("0 0 L * *", new_year, "2026-01-31T00:00:00Z"),
        ("0 0 l 2 *", new_year, "2026-02-28T00:00:00Z"),
        ("0 0 15w 2 *", new_year, "2026-02-16T00:00:00Z"),
        ("0 0 LW 1 *", new_year, "2026-01-30T00:00:00Z"),
        ("0 0 * * 5L", new_year, "2026-01-30T00:00:00Z"),
        ("0 0 * * friL", new_year, "2026-01-30T00:00:00Z"),
        ("0 0 * * MON#2", new_year, "2026-01-12T00:00:00Z"),
        ("0 0 ? * 1", new_year, "2026-01-05T00:00:00Z"),
        ("0 0 1 * ?", new_year, "2026-02-01T00:00:00Z"),
        // Either of two given days.
        ("0 0 13 * FRI", new_year, "2026-01-02T00:00:00Z"),
        ("0 0 30 2 MON", new_year, "2026-02-02T00:00:00Z"),
        // Any white space.
        (" 0\t0  *\u{a0}*\n1 ", new_year, "2026-01-05T00:00:00Z"),
    ];
    for (schedule, after, expected) in cases {
        assert_eq!(
            next(schedule, after),
            at(expected),
            "{schedule} after {after}"
        );
    }
}

#[test]
fn the_three_next_runs_are_in_order() {
    let leap = Schedule::parse("0 0 29 2 *").unwrap();
    let runs = leap.runs_after(at("2026-01-01T00:00:00Z"), 3);
    let days = ["2028-02-29", "2032-02-29", "2036-02-29"];
    assert_eq!(runs, days.map(|day| at(&format!("{day}T00:00:00Z"))));
}

#[test]
fn a_day_that_never_comes_is_refused() {
    for never in ["0 0 30 2 *", "0 0 31 2,4,JUN *", "0 0 30W FEB ?"] {
        assert_eq!(wrong(never), "names a day that never comes", "{never}");
    }
}

#[test]
fn two_given_days_are_explained() {
    let note = |text: &str| Schedule::parse(text).unwrap().note();
    assert!(note("0 0 1 * MON").unwrap().contains("either"));
    assert!(note("0 0 */2 * 1-5").is_some());
    for one in [
        "0 0 1 * *",
        "0 0 * * MON",
        "0 0 ? * MON",
        "0 0 1 * ?",
        "* * * * *",
    ] {
        assert_eq!(note(one), None, "{one}");
    }
}

#[test]
fn what_is_no_five_fields_says_what_to_write() {
    assert!(wrong("* * * *").ends_with("it has 4 fields in 7 bytes"));
    let long = wrong(&"x".repeat(10_000_000));
    assert!(
        long.contains("in 10000000 bytes") && long.len() < 500,
        "{long}"
    );
    for (text, hint) in [
        ("", "it has 0 fields in 0 bytes"),
        ("0 * * * * *", "neither seconds nor years"),
        ("0 0 0 1 1 * 2027", "neither seconds nor years"),
        ("@daily", "write @daily as \"0 0 * * *\""),
        ("@WEEKLY", "write @weekly as \"0 0 * * SUN\""),
        ("@reboot", "it has 1 fields"),
        ("@every 5m", "it has 2 fields"),
        ("every monday", "it has 2 fields"),
        ("CRON_TZ=Europe/Berlin 0 9 * * *", "times are UTC"),
        ("TZ=UTC 0 9 * * *", "times are UTC"),
        ("2027-01-01T00:00:00Z", "it has 1 fields"),
    ] {
        let wrong = wrong(text);
        assert!(wrong.contains(hint), "{text:?}: {wrong}");
        assert!(wrong.starts_with("must be five cron fields"), "{text:?}");
    }
}

#[test]
fn a_wrong_item_is_refused_by_its_field() {
    for (text, field, why) in [
        (
            "0 9 MON * *",
            "day of the month",
            "MON is a day of the week",
        ),
        ("0 MON * * *", "hour", "fifth field"),
        ("0 0 * MON *", "month", "fifth field"),
        ("* * * * JAN", "day of the week", "JAN is a month"),
        ("JAN * * * *", "minute", "fourth field"),
        ("0 0 * JAN-MON *", "month", "fifth field"),
        ("0 0 * * MONDAY", "day of the week", "\"MONDAY\""),
        ("0 0 * 1JAN *", "month", "\"1JAN\""),
        ("5,,10 * * * *", "minute", "an item is empty"),
        (",5 * * * *", "minute", "an item is empty"),
        ("5, * * * *", "minute", "an item is empty"),
        (", * * * *", "minute", "an item is empty"),
        ("* ,, * * *", "hour", "an item is empty"),
        ("*,5 * * * *", "minute", "stands alone"),
        ("60 * * * *", "minute", "60 is not within 0 to 59"),
        ("* 24 * * *", "hour", "0 to 23"),
        ("* * 0 * *", "day of the month", "1 to 31"),
        ("* * * 13 *", "month", "1 to 12"),
        ("* * * * 8", "day of the week", "0 to 7"),
        (
            "99999999999999999999 * * * *",
            "minute",
            "is none of 0 to 59",
        ),
        ("-5 * * * *", "minute", "a number is missing"),
        ("5- * * * *", "minute", "a number is missing"),
        ("1-2-3 * * * *", "minute", "\"2-3\""),
        ("+5 * * * *", "minute", "'+' has no place"),
        ("1.5 * * * *", "minute", "'.' has no place"),
        ("a * * * *", "minute", "\"A\""),
        ("? * * * *", "minute", "stands alone"),
        ("\u{661} * * * *", "minute", "has no place"),
        ("0\u{200b} * * * *", "minute", "has no place"),
        ("0 0 * * +MON", "day of the week", "'+' has no place"),
        ("5-1 * * * *", "minute", "write 5-59,0-1"),
        ("0 22-2 * * *", "hour", "write 22-23,0-2"),
        ("0 0 * * FRI-MON", "day of the week", "write 5-6,0-1"),
        ("*/0 * * * *", "minute", "a step of 0"),
        ("1-5/0 * * * *", "minute", "a step of 0"),
        ("*/ * * * *", "minute", "is no number"),
        ("*/-5 * * * *", "minute", "is no number"),
        ("*/5/5 * * * *", "minute", "is no number"),
        ("*/90 * * * *", "minute", "longer than the field"),
        ("0 */36 * * *", "hour", "longer than the field"),
        ("*/9999999999 * * * *", "minute", "is no number"),
        ("/5 * * * *", "minute", "write */5"),
        ("5/15 * * * *", "minute", "write 5-59/15"),
        ("5/ * * * *", "minute", "the step \"\" is no number"),
        ("1/2/3 * * * *", "minute", "the step \"2/3\" is no number"),
        ("/ * * * *", "minute", "is no number"),
        ("60/5 * * * *", "minute", "60 is not within 0 to 59"),
        ("L/2 * * * *", "minute", "\"L\" is none of"),
        ("0 22-2/3 * * *", "hour", "write 22,0-2/3"),
        ("0 20-2/3 * * *", "hour", "write 20-23/3,0-2/3"),
        (
            "1-5/10 * * * *",
            "minute",
            "only the first would ever come: write 1 ",
        ),
        ("0 9-17/12 * * *", "hour", "longer than the range 9-17"),
        (
            "0 0 * * MON-FRI/6",
            "day of the week",
            "longer than the range MON-FRI",
        ),
        ("0 0 5-5/2 * *", "day of the month", "write 5 "),
        ("50/30 * * * *", "minute", "write 50 "),
        ("0 0 * * SUN/2", "day of the week", "write 0-7/2"),
        ("0 0 L-3 * *", "day of the month", "\"L\""),
        ("0 0 W * *", "day of the month", "a number is missing"),
        ("0 0 32W * *", "day of the month", "1 to 31"),
        ("0 0 L,LW * *", "day of the month", "two different days"),
        ("0 0 * * L", "day of the week", "5L"),
        ("0 0 * * 5#6", "day of the week", "1 to 5"),
        ("0 0 * * 5#", "day of the week", "1 to 5"),
        ("0 0 1#2 * *", "day of the month", "\"1#2\""),
        ("0 L * * *", "hour", "\"L\""),
        ("15W * * * *", "minute", "\"15W\""),
    ] {
        let wrong = wrong(text);
        let begin = format!("is no cron schedule: {field} \"");
        assert!(wrong.starts_with(&begin), "{text}: {wrong}");
        assert!(wrong.contains(why), "{text}: {wrong}");
    }
}

/// What a refusal tells to write in place of the field.
fn proposed(wrong: &str) -> Option<&str> {
    let (_, after) = wrong.split_once(": write ")?;
    let (proposed, _) = after.split_once(" if you mean that")?;
    Some(proposed)
}

proptest! {
    /// Whatever is wrong with a field: what is proposed in its place is taken.
    #[test]
    fn what_a_refusal_proposes_is_taken(
        place in 0..5_usize,
        item in "(\\*|[0-9]{0,2}|MON|SUN|JAN|L)(-([0-9]{0,2}|FRI|DEC))?(/[0-9]{0,2}){0,2}",
    ) {
        let mut fields = ["0", "0", "*", "*", "*"].map(str::to_owned);
        fields[place] = item;
        let refused = Schedule::parse(&fields.join(" ")).err();
        if let Some(proposed) = refused.as_deref().and_then(proposed) {
            fields[place] = proposed.to_owned();
            let followed = Schedule::parse(&fields.join(" ")).map(drop);
            prop_assert!(
                followed.as_ref().err().is_none_or(|wrong| wrong == "names a day that never comes"),
                "{} leads to {:?}", proposed, followed
            );
        }
    }
}

#[test]
fn what_an_older_version_took_goes_on() {
    let after = at("2026-01-01T00:00:00Z");
    let kept = Schedule::stored("0 9 MON * *").unwrap();
    assert_eq!(kept.after(after), Some(at("2026-01-01T09:00:00Z")));
    assert_eq!(
        Schedule::stored("5,,10 * * * *")
            .unwrap()
            .runs_after(after, 2)
            .len(),
        2
    );
    assert!(Schedule::stored("nonsense").is_err());
    for never in [", * 1, * 4", "0 ,, * * *", "0 0 , 1 *"] {
        assert!(Schedule::stored(never).is_err(), "{never}");
    }
}

/// A field of numbers, steps and ranges, and the numbers it allows.
fn a_field(lowest: u32, highest: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    let number = move || lowest..=highest;
    let item = prop_oneof![
        number().prop_map(|n| (n.to_string(), vec![n])),
        (number(), number()).prop_map(|(a, b)| {
            let (from, to) = (a.min(b), a.max(b));
            (format!("{from}-{to}"), (from..=to).collect())
        }),
        (number(), number(), 1..=(highest - lowest + 1)).prop_map(|(a, b, step)| {
            let (from, to) = (a.min(b), a.max(b));
            let step = step.min(to - from + 1);
            let numbers = (from..=to).step_by(step as usize).collect();
            (format!("{from}-{to}/{step}"), numbers)
        }),
    ];
    prop::collection::vec(item, 1..4).prop_map(|items| {
        let (texts, numbers): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        (texts.join(","), numbers.concat())
    })
}

proptest! {
    #[test]
    fn the_next_run_is_the_first_minute_that_the_fields_allow(
        (minutes, minute) in a_field(0, 59),
        (hours, hour) in a_field(0, 23),
        after in 0i64..4_000_000_000,
    ) {
        let schedule = Schedule::parse(&format!("{minutes} {hours} * * *")).unwrap();
        let allows = |at: i64| {
            let of_day = u32::try_from(at.rem_euclid(86_400) / 60).unwrap();
            minute.contains(&(of_day % 60)) && hour.contains(&(of_day / 60))
        };
        let first = after - after.rem_euclid(60) + 60;
        let expected = (first..first + 2 * 86_400).step_by(60).find(|at| allows(*at));
        prop_assert_eq!(schedule.after(after), expected);
    }

    #[test]
    fn any_text_is_taken_with_a_run_or_refused_in_few_words(text in "[0-9*/,#?LWMONJA @=-]{0,40}") {
        match Schedule::parse(&text) {
            Ok(schedule) => prop_assert!(schedule.after(1_767_225_600).is_some(), "{}", text),
            Err(wrong) => prop_assert!(wrong.len() < 600, "{}", wrong),
        }
    }
}
