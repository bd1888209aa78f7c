//! `PartiQL`'s statements, as far as each of them reads or writes one item.
//!
//! A text is read into tokens ([`token`]) and parsed ([`parse`]) into the same conditions and updates as DynamoDB's
//! expressions.

mod parse;
mod token;

use crate::error::Error;
use crate::expression::condition::Condition;
use crate::expression::update::Update;
use crate::request::Returned;
use crate::value::{Item, Value};
use parse::Parser;

/// What is wrong with a read that does not name its item by all attributes of the key.
pub(crate) const UNKEYED_READ: &str =
    "Select statements within BatchExecuteStatement must specify the primary key in the where clause.";

/// A statement.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The name of the table.
    pub(crate) table: String,
    pub(crate) action: Action,
    /// What the WHERE clause joins by AND: all of it must hold.
    pub(crate) conditions: Vec<Condition>,
}

/// What a statement does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Reads these attributes, or all without a list.
    Select(Option<Vec<String>>),
    Insert(Item),
    Update(Update, Returned),
    Delete(Returned),
}

impl Statement {
    /// Parses a statement with the values for its `?`.
    pub(crate) fn parse(text: &str, parameters: Vec<Value>) -> Result<Self, Error> {
        let mut parser = Parser::new(text, parameters)?;
        let statement = if parser.keyword("SELECT") {
            select(&mut parser)
        } else if parser.keyword("INSERT") {
            insert(&mut parser)
        } else if parser.keyword("UPDATE") {
            update(&mut parser)
        } else if parser.keyword("DELETE") {
            delete(&mut parser)
        } else {
            Err(parser.unexpected("SELECT, INSERT, UPDATE or DELETE"))
        }?;
        parser.end()?;
        Ok(statement)
    }
}

fn select(parser: &mut Parser) -> Result<Statement, Error> {
    let names = if parser.sign("*") { None } else { Some(names(parser)?) };
    parser.expect_keyword("FROM")?;
    let table = parser.table()?;
    if parser.sign(".") {
        return Err(Error::validation(UNKEYED_READ));
    }
    Ok(Statement { table, action: Action::Select(names), conditions: parser.conditions()? })
}

fn names(parser: &mut Parser) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    loop {
        let path = parser.path()?;
        if path.0.len() > 1 {
            return Err(parser.refused("only whole attributes can be selected here"));
        }
        names.push(path.root().to_owned());
        if !parser.sign(",") {
            return Ok(names);
        }
    }
}

fn insert(parser: &mut Parser) -> Result<Statement, Error> {
    parser.expect_keyword("INTO")?;
    let table = parser.table()?;
    parser.expect_keyword("VALUE")?;
    let item = parser.item()?;
    Ok(Statement { table, action: Action::Insert(item), conditions: Vec::new() })
}

fn update(parser: &mut Parser) -> Result<Statement, Error> {
    let table = parser.table()?;
    let mut update = Update::default();
    let mut is_empty = true;
    loop {
        if parser.keyword("SET") {
            loop {
                assign(parser, &mut update)?;
                if !parser.sign(",") {
                    break;
                }
            }
        } else if parser.keyword("REMOVE") {
            update.remove(parser.path()?);
        } else if is_empty {
            return Err(parser.unexpected("SET or REMOVE"));
        } else {
            break;
        }
        is_empty = false;
    }
    let conditions = parser.conditions()?;
    let returned = parser.returned()?;
    Ok(Statement { table, action: Action::Update(update, returned), conditions })
}

fn assign(parser: &mut Parser, update: &mut Update) -> Result<(), Error> {
    let path = parser.path()?;
    parser.expect("=")?;
    let name = ["set_add", "set_delete"].into_iter().find(|name| parser.call(name));
    let Some(name) = name else {
        let term = parser.term()?;
        update.set(path, term);
        return Ok(());
    };
    let refused = |why: &str| Error::validation(format!("The {why}"));
    if parser.path()? != path {
        return Err(refused(&format!(
            "first argument to {} must equal the assignment value",
            name.to_ascii_uppercase()
        )));
    }
    parser.expect(",")?;
    let members = parser.value()?;
    parser.expect(")")?;
    if !matches!(members, Value::Ss(_) | Value::Ns(_) | Value::Bs(_)) {
        return Err(refused(&format!(
            "second argument to {} must be a value with type SET",
            name.to_ascii_uppercase()
        )));
    }
    if name == "set_add" {
        update.add(path, members)
    } else {
        update.delete(path, members)
    }
    Ok(())
}

fn delete(parser: &mut Parser) -> Result<Statement, Error> {
    parser.expect_keyword("FROM")?;
    let table = parser.table()?;
    let conditions = parser.conditions()?;
    let returned = parser.returned()?;
    if !matches!(returned, Returned::None | Returned::AllOld) {
        return Err(parser.refused("a DELETE can only return ALL OLD *"));
    }
    Ok(Statement { table, action: Action::Delete(returned), conditions })
}
