//! Trees of names, drawn with lines as ORAS draws them.

/// A name with the names below it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) name: String,
    pub(super) below: Vec<Self>,
}

impl Tree {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), below: Vec::new() }
    }

    /// Returns the branch of that name, which is added if there is none.
    pub(super) fn branch(&mut self, name: &str) -> &mut Self {
        let at = self.below.iter().position(|branch| branch.name == name);
        let at = at.unwrap_or_else(|| {
            self.below.push(Self::new(name));
            self.below.len() - 1
        });
        &mut self.below[at]
    }

    /// Returns the lines of the tree.
    pub(super) fn draw(&self) -> String {
        let mut out = format!("{}\n", self.name);
        self.draw_below("", &mut out);
        out
    }

    fn draw_below(&self, indent: &str, out: &mut String) {
        for (at, branch) in self.below.iter().enumerate() {
            let (corner, line) = if at + 1 == self.below.len() {
                ("└──", "    ")
            } else {
                ("├──", "│   ")
            };
            out.push_str(&format!("{indent}{corner} {}\n", branch.name));
            branch.draw_below(&format!("{indent}{line}"), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_its_lines() {
        let mut tree = Tree::new("root");
        tree.branch("a").branch("x").branch("deep");
        tree.branch("b");
        tree.branch("a").branch("y");
        let expected = "root\n├── a\n│   ├── x\n│   │   └── deep\n│   └── y\n└── b\n";
        assert_eq!(tree.draw(), expected);
    }
}
