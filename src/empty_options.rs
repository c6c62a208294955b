//! An option whose text is empty: a variable of a script was not set, and the option would count as left out.

use std::any::TypeId;
use std::ffi::OsStr;

use clap::builder::{StringValueParser, TypedValueParser, ValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, Command, Error};

/// The command, and all below it, with every option of one text refusing an empty one.
pub(crate) fn refused_in(command: Command) -> Command {
    command
        .mut_args(|arg| match is_option_of_text(&arg) {
            true => arg.value_parser(ValueParser::from(NotEmpty)),
            false => arg,
        })
        .mut_subcommands(refused_in)
}

fn is_option_of_text(arg: &Arg) -> bool {
    arg.get_long().is_some()
        && matches!(arg.get_action(), ArgAction::Set)
        && arg.get_value_parser().type_id() == TypeId::of::<String>()
}

/// A text that is not empty where it is typed. An empty default or variable of the environment means none.
#[derive(Debug, Clone)]
struct NotEmpty;

impl TypedValueParser for NotEmpty {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<String, Error> {
        if source == ValueSource::CommandLine && value.is_empty() {
            let option = arg.and_then(Arg::get_long).unwrap_or_default();
            let why = format!("the text of --{option} is empty: give one, or leave out --{option}");
            return Err(command.clone().error(ErrorKind::InvalidValue, why));
        }
        StringValueParser::new().parse_ref(command, arg, value)
    }
}
