//! The interpreter of a parsed template.

use super::{
    budget::{Budget, Sink},
    format,
    item::{Item, in_order},
    tree::{Binding, Branch, Command, Node, Operand, Pipe},
};
use crate::{Error, Result};
use serde_json::Value;

/// Renders a template.
pub(super) fn render(nodes: &[Node], values: &Value) -> Result<String> {
    let root = dug(Item::from(values));
    let mut run =
        Run { out: Sink::output(), budget: Budget::new(), variables: vec![("$", root.clone())] };
    run.nodes(nodes, &root)?;
    Ok(run.out.into_text())
}

/// The state of a render.
struct Run<'a> {
    out: Sink,
    budget: Budget,
    /// The variables of the open actions. A later one hides an earlier one of its name.
    variables: Vec<(&'a str, Item<'a>)>,
}

/// The next node after one has run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// Returns the value as a pipeline returns it: a null becomes a missing value.
fn dug(item: Item<'_>) -> Item<'_> {
    if item.is_nil() { Item::Missing } else { item }
}

impl<'a> Run<'a> {
    fn nodes(&mut self, nodes: &'a [Node], dot: &Item<'a>) -> Result<Flow> {
        for node in nodes {
            self.budget.step(1)?;
            let flow = match node {
                Node::Text(text) => self.out.push(text).map(|()| Flow::Next)?,
                Node::Print(pipe) => self.print(pipe, dot).map(|()| Flow::Next)?,
                Node::If(branches, otherwise) | Node::With(branches, otherwise) => {
                    let known = self.variables.len();
                    let is_with = matches!(node, Node::With(..));
                    let flow = self.branches(branches, otherwise, dot, is_with)?;
                    self.variables.truncate(known);
                    flow
                }
                Node::Range(branch, otherwise) => {
                    let known = self.variables.len();
                    let flow = self.range(branch, otherwise, dot)?;
                    self.variables.truncate(known);
                    flow
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, pipe: &'a Pipe, dot: &Item<'a>) -> Result<()> {
        let value = self.value(pipe, dot)?;
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        match value {
            Item::Missing | Item::Null => self.out.push(format::NO_VALUE),
            value => format::value(&mut self.out, &value),
        }
    }

    fn branches(
        &mut self,
        branches: &'a [Branch],
        otherwise: &'a [Node],
        dot: &Item<'a>,
        is_with: bool,
    ) -> Result<Flow> {
        for branch in branches {
            let value = self.value(&branch.pipe, dot)?;
            if value.is_true() {
                return self.nodes(&branch.body, if is_with { &value } else { dot });
            }
        }
        self.nodes(otherwise, dot)
    }

    fn range(&mut self, branch: &'a Branch, otherwise: &'a [Node], dot: &Item<'a>) -> Result<Flow> {
        let value = self.value(&branch.pipe, dot)?;
        match &value {
            Item::Missing | Item::Null => {}
            Item::Map(entries) if !entries.is_empty() => {
                // The sorting, which a `break` does not shorten.
                self.budget.step(entries.len())?;
                for (key, value) in in_order(entries) {
                    if !self.pass(branch, Item::from(key.as_str()), Item::from(value))? {
                        break;
                    }
                }
                return Ok(Flow::Next);
            }
            Item::List(_) | Item::Texts(_) if value.is_true() => {
                let mut index = 0;
                while let Some(element) = value.element(index) {
                    if !self.pass(branch, Item::Int(index as i64), element)? {
                        break;
                    }
                    index += 1;
                }
                return Ok(Flow::Next);
            }
            Item::Map(_) | Item::List(_) | Item::Texts(_) => {}
            Item::Int(_) | Item::Uint(_) if branch.pipe.variables.len() > 1 => {
                return Err(at(
                    branch.pipe.line,
                    Error::usage("`range` over a number has only one variable"),
                ));
            }
            Item::Int(count @ 1..) => {
                for number in 0..*count {
                    if !self.pass(branch, Item::Missing, Item::Int(number))? {
                        break;
                    }
                }
                return Ok(Flow::Next);
            }
            Item::Int(_) => {}
            value => {
                let reason = format!("`range` does not take a value of type {}", value.kind());
                return Err(at(branch.pipe.line, Error::usage(reason)));
            }
        }
        // In Go, a `break` here ends this `range`, not the one around it.
        Ok(match self.nodes(otherwise, dot)? {
            Flow::Break => Flow::Next,
            flow => flow,
        })
    }

    /// Runs the body of a loop once. Returns false after a `break`.
    fn pass(&mut self, branch: &'a Branch, index: Item<'a>, element: Item<'a>) -> Result<bool> {
        self.budget.step(1)?;
        let known = self.variables.len();
        let names = &branch.pipe.variables;
        let values = match names.len() {
            0 => Vec::new(),
            1 => vec![element.clone()],
            _ => vec![index, element.clone()],
        };
        match branch.pipe.binding {
            Binding::Assign => {
                for (name, value) in names.iter().zip(values) {
                    self.assign(name, value).map_err(|error| at(branch.pipe.line, error))?;
                }
            }
            Binding::Declare => {
                // The pipeline has declared them, as the last ones.
                let first = known.saturating_sub(values.len());
                for (slot, value) in self.variables[first..].iter_mut().zip(values) {
                    slot.1 = value;
                }
            }
        }
        let flow = self.nodes(&branch.body, &element)?;
        self.variables.truncate(known);
        Ok(flow != Flow::Break)
    }

    fn assign(&mut self, name: &str, value: Item<'a>) -> Result<()> {
        let slot = self.variables.iter_mut().rev().find(|(known, _)| *known == name);
        slot.ok_or_else(|| unknown(name))?.1 = value;
        Ok(())
    }

    /// Returns the value of an action's pipeline. Its error names the line.
    fn value(&mut self, pipe: &'a Pipe, dot: &Item<'a>) -> Result<Item<'a>> {
        self.pipe(pipe, dot).map_err(|error| at(pipe.line, error))
    }

    fn pipe(&mut self, pipe: &'a Pipe, dot: &Item<'a>) -> Result<Item<'a>> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(dug(self.command(command, dot, last)?));
        }
        let value = last.unwrap_or(Item::Missing);
        for name in &pipe.variables {
            match pipe.binding {
                Binding::Declare => self.variables.push((name, value.clone())),
                Binding::Assign => self.assign(name, value.clone())?,
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'a Command,
        dot: &Item<'a>,
        last: Option<Item<'a>>,
    ) -> Result<Item<'a>> {
        self.budget.step(1)?;
        match &command.first {
            Operand::Function(_) => self.call(&command.first, &command.arguments, dot, last),
            _ if last.is_some() || !command.arguments.is_empty() => {
                Err(Error::usage("only a function has arguments"))
            }
            Operand::Nil => Err(Error::usage("`nil` alone has no value")),
            operand => self.operand(operand, dot),
        }
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Item<'a>) -> Result<Item<'a>> {
        self.budget.step(1)?;
        Ok(match operand {
            Operand::Dot => dot.clone(),
            Operand::Nil => Item::Missing,
            Operand::Bool(value) => Item::Bool(*value),
            Operand::Int(value) => Item::Int(*value),
            Operand::Float(value) => Item::Float(*value),
            Operand::Text(text) => Item::from(text.as_str()),
            Operand::Variable(name) => {
                let distance = self.variables.iter().rev().position(|(known, _)| known == name);
                let distance = distance.ok_or_else(|| unknown(name))?;
                self.budget.step(distance / 64)?;
                self.variables[self.variables.len() - 1 - distance].1.clone()
            }
            Operand::Function(_) => self.call(operand, &[], dot, None)?,
            Operand::Pipe(pipe) => self.pipe(pipe, dot)?,
            Operand::Fields(value, names) => {
                let value = self.operand(value, dot)?;
                self.budget.step(names.len() / 16)?;
                names.iter().try_fold(value, |value, name| field(&value, name))?
            }
        })
    }

    /// Calls a function. `and` and `or` evaluate only the arguments up to the one that decides.
    fn call(
        &mut self,
        function: &'a Operand,
        arguments: &'a [Operand],
        dot: &Item<'a>,
        last: Option<Item<'a>>,
    ) -> Result<Item<'a>> {
        let Operand::Function(function) = function else { return Ok(Item::Missing) };
        function.check_count(arguments.len() + usize::from(last.is_some()))?;
        if let Some(decides) = function.short_circuit {
            let mut value = Item::Missing;
            for argument in arguments {
                value = self.operand(argument, dot)?;
                if value.is_true() == decides {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            values.push(self.operand(argument, dot)?);
        }
        values.extend(last);
        for value in &values {
            if let Item::Text(text) = value {
                self.budget.step(text.len() / 1024)?;
            }
        }
        (function.run)(&mut self.budget, &values)
            .map_err(|error| error.context(format!("cannot call `{}`", function.name)))
    }
}

fn field<'a>(value: &Item<'a>, name: &str) -> Result<Item<'a>> {
    match value {
        Item::Missing => Ok(Item::Missing),
        Item::Map(entries) => Ok(entries.get(name).map_or(Item::Missing, Item::from)),
        Item::Null => Err(Error::usage(format!("cannot read `{name}` of null"))),
        value => {
            Err(Error::usage(format!("cannot read `{name}` of a value of type {}", value.kind())))
        }
    }
}

fn unknown(name: &str) -> Error {
    Error::usage(format!("the variable `{name}` does not exist here"))
}

/// Adds the line of an action to its error.
fn at(line: usize, error: Error) -> Error {
    error.context(format!("line {line}"))
}
