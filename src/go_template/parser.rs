//! A parser of tokens to a tree.

use super::{
    budget::NESTING,
    functions,
    lexer::{self, Fault, Kind, Token},
    literal::{self, Number},
    tree::{Binding, Branch, Command, Node, Operand, Pipe},
};

type Result<T> = std::result::Result<T, Fault>;

/// Parses a template.
pub(super) fn template(text: &str) -> Result<Vec<Node>> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, loops: 0, variables: vec!["$"] };
    let (nodes, end) = parser.nodes()?;
    match end {
        Stop::Text => Ok(nodes),
        Stop::End => parser.fault("`end` has no beginning"),
        Stop::Else => parser.fault("`else` has no `if`, `with` or `range`"),
    }
}

struct Parser<'t> {
    tokens: &'t [Token<'t>],
    at: usize,
    /// Open actions and parentheses.
    depth: usize,
    /// Loops around the current node.
    loops: usize,
    variables: Vec<&'t str>,
}

/// The end of a list of nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Text,
    End,
    Else,
}

/// The purpose of a pipeline.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Print,
    If,
    With,
    Range,
    Parenthesis,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Print => "the action",
            Self::If => "`if`",
            Self::With => "`with`",
            Self::Range => "`range`",
            Self::Parenthesis => "the parenthesis",
        }
    }
}

impl<'t> Parser<'t> {
    fn fault<T>(&self, reason: impl Into<String>) -> Result<T> {
        let before = self.at.saturating_sub(1);
        let line = self.tokens.get(before).map_or(1, |token| token.line);
        Err(Fault { line, reason: reason.into() })
    }

    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn peek_kind(&self) -> Option<Kind> {
        self.peek().map(|token| token.kind)
    }

    /// Skips spaces.
    fn skip(&mut self) {
        while self.peek_kind() == Some(Kind::Space) {
            self.at += 1;
        }
    }

    /// Takes the next token, which must be of that kind.
    fn expect(&mut self, kind: Kind, context: &str) -> Result<()> {
        self.skip();
        if self.peek_kind() == Some(kind) {
            self.at += 1;
            return Ok(());
        }
        self.unexpected(context)
    }

    fn unexpected<T>(&self, context: &str) -> Result<T> {
        match self.peek() {
            Some(token) => {
                let reason = format!("unexpected `{}` in {context}", token.text.escape_debug());
                Err(Fault { line: token.line, reason })
            }
            None => self.fault(format!("unexpected end of the template in {context}")),
        }
    }

    /// Enters an action or a parenthesis. The caller decreases `depth` at its end.
    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > NESTING {
            return self.fault(format!("more than {NESTING} levels"));
        }
        Ok(())
    }

    /// Parses nodes up to `end`, `else` or the end of the text. After an `else`, its `if` or `with`
    /// or the end of its action follows.
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop)> {
        let mut nodes = Vec::new();
        while let Some(token) = self.peek() {
            self.at += 1;
            if token.kind == Kind::Text {
                nodes.push(Node::Text(token.text.to_owned()));
                continue;
            }
            self.skip();
            let word = self.peek().filter(|token| token.kind == Kind::Word);
            let word = word.map_or("", |token| token.text);
            self.at += 1;
            nodes.push(match word {
                "end" => {
                    self.expect(Kind::Close, "`end`")?;
                    return Ok((nodes, Stop::End));
                }
                "else" => {
                    self.skip();
                    return Ok((nodes, Stop::Else));
                }
                "if" | "with" => self.conditional(word)?,
                "range" => self.range()?,
                "break" | "continue" => self.leave(word)?,
                "define" | "block" | "template" => {
                    return self.fault(format!("`{word}` is not supported"));
                }
                _ => {
                    self.at -= 1;
                    Node::Print(self.pipe(Purpose::Print, Kind::Close)?)
                }
            });
        }
        Ok((nodes, Stop::Text))
    }

    fn leave(&mut self, word: &str) -> Result<Node> {
        if self.loops == 0 {
            return self.fault(format!("`{word}` outside of `range`"));
        }
        self.expect(Kind::Close, &format!("`{word}`"))?;
        Ok(if word == "break" { Node::Break } else { Node::Continue })
    }

    /// Parses `if` or `with` with all its branches.
    fn conditional(&mut self, word: &str) -> Result<Node> {
        self.enter()?;
        let known = self.variables.len();
        let purpose = if word == "if" { Purpose::If } else { Purpose::With };
        let mut branches = Vec::new();
        let otherwise = loop {
            let pipe = self.pipe(purpose, Kind::Close)?;
            let (body, end) = self.nodes()?;
            branches.push(Branch { pipe, body });
            match end {
                Stop::Text => return self.fault(format!("`{word}` has no `end`")),
                Stop::End => break Vec::new(),
                Stop::Else => {}
            }
            let is_next =
                self.peek().is_some_and(|token| token.kind == Kind::Word && token.text == word);
            if !is_next {
                break self.otherwise(word)?;
            }
            self.at += 1;
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(match purpose {
            Purpose::If => Node::If(branches, otherwise),
            _ => Node::With(branches, otherwise),
        })
    }

    /// Parses the rest of `else`, up to `end`.
    fn otherwise(&mut self, word: &str) -> Result<Vec<Node>> {
        self.expect(Kind::Close, "`else`")?;
        match self.nodes()? {
            (nodes, Stop::End) => Ok(nodes),
            (_, Stop::Else) => self.fault(format!("`{word}` has a second `else`")),
            (_, Stop::Text) => self.fault(format!("`{word}` has no `end`")),
        }
    }

    fn range(&mut self) -> Result<Node> {
        self.enter()?;
        let known = self.variables.len();
        let pipe = self.pipe(Purpose::Range, Kind::Close)?;
        self.loops += 1;
        let (body, end) = self.nodes()?;
        self.loops -= 1;
        let otherwise = match end {
            Stop::Text => return self.fault("`range` has no `end`"),
            Stop::End => Vec::new(),
            Stop::Else => self.otherwise("range")?,
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(Node::Range(Branch { pipe, body }, otherwise))
    }

    /// Parses a pipeline with its end.
    fn pipe(&mut self, purpose: Purpose, end: Kind) -> Result<Pipe> {
        self.skip();
        let line = self.peek().map_or(1, |token| token.line);
        let (variables, binding) = self.variables_of(purpose)?;
        let mut commands = Vec::new();
        loop {
            self.skip();
            if self.peek_kind() == Some(end) {
                break;
            }
            let command = self.command(purpose)?;
            let is_value = matches!(
                command.first,
                Operand::Bool(_)
                    | Operand::Dot
                    | Operand::Nil
                    | Operand::Int(_)
                    | Operand::Float(_)
                    | Operand::Text(_)
            );
            if is_value && !commands.is_empty() {
                return self.fault("a value after `|` is not a function");
            }
            commands.push(command);
        }
        if commands.is_empty() {
            return self.fault(format!("{} has no value", purpose.name()));
        }
        self.at += 1;
        Ok(Pipe { line, variables, binding, commands })
    }

    /// Parses the variables that a pipeline sets, if any.
    fn variables_of(&mut self, purpose: Purpose) -> Result<(Vec<String>, Binding)> {
        let mut names: Vec<&'t str> = Vec::new();
        loop {
            let start = self.at;
            let Some(name) = self.peek().filter(|token| token.kind == Kind::Variable) else {
                if names.is_empty() {
                    return Ok((Vec::new(), Binding::Declare));
                }
                return self.fault("`range` sets only variables");
            };
            self.at += 1;
            self.skip();
            let binding = match self.peek_kind() {
                Some(Kind::Assign) => Binding::Assign,
                Some(Kind::Declare) => Binding::Declare,
                Some(Kind::Comma) if purpose == Purpose::Range && names.is_empty() => {
                    self.at += 1;
                    self.skip();
                    names.push(name.text);
                    continue;
                }
                Some(Kind::Comma) => {
                    return self.fault(format!("{} sets too many variables", purpose.name()));
                }
                _ if names.is_empty() => {
                    self.at = start;
                    return Ok((Vec::new(), Binding::Declare));
                }
                _ => return self.unexpected("the variables of `range`"),
            };
            self.at += 1;
            names.push(name.text);
            self.variables.extend(&names);
            return Ok((names.into_iter().map(str::to_owned).collect(), binding));
        }
    }

    /// Parses an operand and its arguments, up to a `|` or the end of the pipeline. As in Go,
    /// nothing need follow the last `|`.
    fn command(&mut self, purpose: Purpose) -> Result<Command> {
        let first = self.operand(purpose)?;
        let mut arguments = Vec::new();
        loop {
            match self.peek_kind() {
                Some(Kind::Space) => self.skip(),
                Some(Kind::Close | Kind::Right) => break,
                Some(Kind::Pipe) => {
                    self.at += 1;
                    break;
                }
                _ => return self.unexpected(purpose.name()),
            }
            match self.peek_kind() {
                Some(Kind::Close | Kind::Right | Kind::Pipe) => {}
                _ => arguments.push(self.operand(purpose)?),
            }
        }
        Ok(Command { first, arguments })
    }

    /// Parses a term and the fields after it.
    fn operand(&mut self, purpose: Purpose) -> Result<Operand> {
        let term = self.term(purpose)?;
        let mut names = Vec::new();
        while let Some(token) = self.peek().filter(|token| token.kind == Kind::Field) {
            names.push(token.text[1..].to_owned());
            self.at += 1;
        }
        if names.is_empty() {
            return Ok(term);
        }
        match term {
            Operand::Fields(value, mut fields) => {
                fields.append(&mut names);
                Ok(Operand::Fields(value, fields))
            }
            Operand::Variable(_) | Operand::Function(_) | Operand::Pipe(_) => {
                Ok(Operand::Fields(Box::new(term), names))
            }
            _ => self.fault(format!("`.{}` follows a value without fields", names[0])),
        }
    }

    fn term(&mut self, purpose: Purpose) -> Result<Operand> {
        let Some(token) = self.peek() else { return self.unexpected(purpose.name()) };
        self.at += 1;
        let text = token.text;
        let literal = |reason| Fault { line: token.line, reason };
        Ok(match token.kind {
            Kind::Dot => Operand::Dot,
            Kind::Field => Operand::Fields(Box::new(Operand::Dot), vec![text[1..].to_owned()]),
            Kind::Variable if self.variables.contains(&text) => Operand::Variable(text.to_owned()),
            Kind::Variable => return self.fault(format!("the variable `{text}` does not exist")),
            Kind::Number => match literal::number(text).map_err(literal)? {
                Number::Int(value) => Operand::Int(value),
                Number::Float(value) => Operand::Float(value),
            },
            Kind::Character => Operand::Int(literal::character(text).map_err(literal)?),
            Kind::Quoted => Operand::Text(literal::quoted(text).map_err(literal)?),
            Kind::Raw => Operand::Text(literal::raw(text)),
            Kind::Left => {
                self.enter()?;
                let pipe = self.pipe(Purpose::Parenthesis, Kind::Right)?;
                self.depth -= 1;
                Operand::Pipe(Box::new(pipe))
            }
            Kind::Word => match text {
                "true" | "false" => Operand::Bool(text == "true"),
                "nil" => Operand::Nil,
                "if" | "else" | "end" | "range" | "with" | "break" | "continue" | "define"
                | "block" | "template" => {
                    return self.fault(format!("unexpected `{text}` in {}", purpose.name()));
                }
                _ => match functions::named(text) {
                    Some(function) => Operand::Function(function),
                    None => {
                        let names = functions::names().join("`, `");
                        return self.fault(format!(
                            "the function `{text}` does not exist; there are `{names}`"
                        ));
                    }
                },
            },
            _ => {
                self.at -= 1;
                return self.unexpected(purpose.name());
            }
        })
    }
}
