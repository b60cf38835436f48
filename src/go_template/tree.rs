//! A parsed template.

use super::functions::Function;

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Text outside of actions.
    Text(String),
    /// A pipeline whose value is printed unless it sets a variable.
    Print(Pipe),
    /// `if` with its `else if` branches, and the nodes of `else`.
    If(Vec<Branch>, Vec<Self>),
    /// `with` with its `else with` branches, and the nodes of `else`.
    With(Vec<Branch>, Vec<Self>),
    /// `range`, and the nodes of `else` for an empty list.
    Range(Branch, Vec<Self>),
    Break,
    Continue,
}

/// A pipeline and the nodes that depend on it.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
}

/// Commands, each with the value of the command before it as its last argument.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    /// The line of its start, counted from 1.
    pub(super) line: usize,
    /// The variables that the value is for: at most one, or two in a `range`.
    pub(super) variables: Vec<String>,
    pub(super) binding: Binding,
    pub(super) commands: Vec<Command>,
}

/// The effect of a pipeline on its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// New variables, `:=`.
    Declare,
    /// A new value for existing variables, `=`.
    Assign,
}

/// An operand and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
}

/// A value in a command.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A variable, with its `$`.
    Variable(String),
    Function(&'static Function),
    /// A pipeline in parentheses.
    Pipe(Box<Pipe>),
    /// Fields of a value, one within the other.
    Fields(Box<Self>, Vec<String>),
}
