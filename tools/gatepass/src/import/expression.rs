//! The C# expressions that policies are full of, as far as they can be known without running them: constants,
//! variables that a policy has set, and conditions on method and path.

use std::collections::BTreeMap;

/// What is known about a request and what a policy has set so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The request's method; `None` is any that no condition names.
    pub(crate) method: Option<String>,
    /// The id of API Management's operation, where conditions ask for it.
    pub(crate) operation: Option<String>,
    /// Variables with a value that is known.
    pub(crate) variables: BTreeMap<String, String>,
}

/// The text of an attribute or an element, if it is constant here. `None`: it depends on what only a request knows.
pub(crate) fn text(value: &str, scope: &Scope) -> Option<String> {
    let Some(code) = code(value) else {
        return (!value.contains("@(") && !value.contains("@{")).then(|| value.to_owned());
    };
    match Parser::new(code)?.whole(scope)? {
        Known::Text(text) => Some(text),
        Known::Bool(_) => None,
    }
}

/// Whether a condition holds, if that can be known.
pub(crate) fn holds(condition: &str, scope: &Scope) -> Option<bool> {
    match Parser::new(code(condition)?)?.whole(scope)? {
        Known::Bool(holds) => Some(holds),
        Known::Text(_) => None,
    }
}

/// What conditions compare the method and the operation's id with.
pub(crate) fn compared(condition: &str, member: Member) -> Vec<String> {
    let Some(tokens) = code(condition).and_then(|code| Parser::new(code).map(|parser| parser.tokens)) else {
        return Vec::new();
    };
    let about =
        tokens.iter().any(|token| matches!(token, Token::Word(word) if Member::of(word) == Some(member)));
    let strings = tokens.iter().filter_map(|token| match token {
        Token::Text(text) => Some(text.clone()),
        _ => None,
    });
    if about { strings.collect() } else { Vec::new() }
}

/// What a condition may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Method,
    Operation,
}

impl Member {
    fn of(word: &str) -> Option<Self> {
        match word {
            "context.Request.Method" | "context.Operation.Method" => Some(Self::Method),
            "context.Operation.Id" => Some(Self::Operation),
            _ => None,
        }
    }
}

/// The code of an expression: `@( … )`, or `@{ return … ; }`.
fn code(value: &str) -> Option<&str> {
    let value = value.trim();
    if let Some(code) = value.strip_prefix("@(") {
        return code.strip_suffix(')');
    }
    let body = value.strip_prefix("@{")?.strip_suffix('}')?.trim();
    body.strip_prefix("return")?.trim().strip_suffix(';').filter(|code| !code.contains(';'))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name with its members: `context.Request.Method`.
    Word(String),
    Text(String),
    Symbol(&'static str),
}

enum Known {
    Text(String),
    Bool(bool),
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

const SYMBOLS: [&str; 13] = ["==", "!=", "&&", "||", "??", "(", ")", "[", "]", "!", "+", ",", "."];

impl Parser {
    fn new(code: &str) -> Option<Self> {
        // The one type that policies write; `<` is no symbol here.
        let code = code.replace("<string>", "");
        let mut tokens = Vec::new();
        let mut rest = code.trim_start();
        while let Some(first) = rest.chars().next() {
            if first == '"' {
                let end = rest.get(1..)?.find('"')? + 1;
                let text = rest.get(1..end)?;
                if text.contains('\\') {
                    return None;
                }
                tokens.push(Token::Text(text.to_owned()));
                rest = rest.get(end + 1..)?;
            } else if first.is_alphabetic() || first == '_' {
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
                tokens.push(Token::Word(rest.get(..end)?.to_owned()));
                rest = rest.get(end..)?;
            } else {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol))?;
                tokens.push(Token::Symbol(symbol));
                rest = rest.get(symbol.len()..)?;
            }
            rest = rest.trim_start();
        }
        Some(Self { tokens, at: 0 })
    }

    fn whole(mut self, scope: &Scope) -> Option<Known> {
        let known = self.or(scope)?;
        (self.at == self.tokens.len()).then_some(known)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.tokens.get(self.at)
            == SYMBOLS.iter().find(|s| **s == symbol).map(|s| Token::Symbol(s)).as_ref();
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, scope: &Scope) -> Option<Known> {
        let mut known = self.and(scope)?;
        while self.take("||") {
            let (Known::Bool(left), Known::Bool(right)) = (known, self.and(scope)?) else { return None };
            known = Known::Bool(left || right);
        }
        Some(known)
    }

    fn and(&mut self, scope: &Scope) -> Option<Known> {
        let mut known = self.equal(scope)?;
        while self.take("&&") {
            let (Known::Bool(left), Known::Bool(right)) = (known, self.equal(scope)?) else { return None };
            known = Known::Bool(left && right);
        }
        Some(known)
    }

    fn equal(&mut self, scope: &Scope) -> Option<Known> {
        let left = self.sum(scope)?;
        let wanted = if self.take("==") {
            true
        } else if self.take("!=") {
            false
        } else {
            return Some(left);
        };
        match (left, self.sum(scope)?) {
            (Known::Text(left), Known::Text(right)) => Some(Known::Bool((left == right) == wanted)),
            (Known::Bool(left), Known::Bool(right)) => Some(Known::Bool((left == right) == wanted)),
            _ => None,
        }
    }

    fn sum(&mut self, scope: &Scope) -> Option<Known> {
        let mut known = self.unary(scope)?;
        while self.take("+") {
            let (Known::Text(left), Known::Text(right)) = (known, self.unary(scope)?) else { return None };
            known = Known::Text(left + &right);
        }
        Some(known)
    }

    fn unary(&mut self, scope: &Scope) -> Option<Known> {
        if self.take("!") {
            let Known::Bool(known) = self.unary(scope)? else { return None };
            return Some(Known::Bool(!known));
        }
        let is_cast = self.tokens.get(self.at..self.at + 3).is_some_and(|tokens| {
            matches!(tokens, [Token::Symbol("("), Token::Word(word), Token::Symbol(")")] if word == "string")
        });
        if is_cast {
            self.at += 3;
            return self.unary(scope);
        }
        self.value(scope)
    }

    fn value(&mut self, scope: &Scope) -> Option<Known> {
        if self.take("(") {
            let known = self.or(scope)?;
            return self.take(")").then_some(known);
        }
        let token = self.tokens.get(self.at)?.clone();
        self.at += 1;
        match token {
            Token::Text(text) => Some(Known::Text(text)),
            Token::Word(word) => self.word(&word, scope),
            Token::Symbol(_) => None,
        }
    }

    fn word(&mut self, word: &str, scope: &Scope) -> Option<Known> {
        match word {
            "true" => return Some(Known::Bool(true)),
            "false" => return Some(Known::Bool(false)),
            "context.Variables" if self.take("[") => {
                let name = self.string()?;
                return self.take("]").then(|| scope.variables.get(&name).cloned().map(Known::Text))?;
            }
            "context.Variables.GetValueOrDefault" => {
                return self.variable(scope);
            }
            _ => {}
        }
        let (about, call) = word.strip_suffix(".Equals").map_or((word, false), |about| (about, true));
        let known = match Member::of(about)? {
            Member::Method => scope.method.clone(),
            Member::Operation => scope.operation.clone(),
        };
        // A method or operation that no condition names equals none of the strings in them.
        let known = known.unwrap_or_default();
        if !call {
            return Some(Known::Text(known));
        }
        if !self.take("(") {
            return None;
        }
        let other = self.string()?;
        let ignores_case = self.take(",")
            && matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.ends_with("IgnoreCase"));
        while !self.take(")") {
            self.tokens.get(self.at)?;
            self.at += 1;
        }
        Some(Known::Bool(if ignores_case { known.eq_ignore_ascii_case(&other) } else { known == other }))
    }

    /// `GetValueOrDefault("name", "default")`
    fn variable(&mut self, scope: &Scope) -> Option<Known> {
        if !self.take("(") {
            return None;
        }
        let name = self.string()?;
        let default = if self.take(",") { Some(self.string()?) } else { None };
        if !self.take(")") {
            return None;
        }
        scope.variables.get(&name).cloned().or(default).map(Known::Text)
    }

    fn string(&mut self) -> Option<String> {
        let Some(Token::Text(text)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        Some(text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(method: &str) -> Scope {
        let variables = [("role".to_owned(), "Sample.Read".to_owned())].into_iter().collect();
        Scope { method: Some(method.to_owned()), operation: None, variables }
    }

    #[test]
    fn conditions_on_the_method_are_known() {
        for (condition, get, post) in [
            (r#"@(context.Request.Method == "GET")"#, true, false),
            (r#"@(context.Operation.Method != "GET")"#, false, true),
            (r#"@(context.Request.Method.Equals("get", StringComparison.OrdinalIgnoreCase))"#, true, false),
            (r#"@("GET" == context.Request.Method || context.Request.Method == "POST")"#, true, true),
            (r#"@(!(context.Request.Method == "GET") && true)"#, false, true),
            (r#"@{ return context.Request.Method == "GET"; }"#, true, false),
        ] {
            assert_eq!(holds(condition, &scope("GET")), Some(get), "{condition}");
            assert_eq!(holds(condition, &scope("POST")), Some(post), "{condition}");
        }
    }

    #[test]
    fn what_only_a_request_knows_is_not_guessed() {
        for condition in [
            r#"@(context.Request.Headers.GetValueOrDefault("x","") == "1")"#,
            r#"@(context.Request.Method == "GET" && context.User != null)"#,
            r#"@(context.Request.Method == "G\"ET")"#,
            "@(1 < 2)",
            "true",
        ] {
            assert_eq!(holds(condition, &scope("GET")), None, "{condition}");
        }
    }

    #[test]
    fn constants_and_variables_are_known() {
        let known = |value: &str| text(value, &scope("GET"));
        assert_eq!(known("plain {{x}}").as_deref(), Some("plain {{x}}"));
        assert_eq!(known(r#"@((string)context.Variables["role"])"#).as_deref(), Some("Sample.Read"));
        assert_eq!(known(r#"@("a" + context.Variables["role"])"#).as_deref(), Some("aSample.Read"));
        assert_eq!(
            known(r#"@(context.Variables.GetValueOrDefault<string>("x", "y"))"#).as_deref(),
            Some("y")
        );
        assert_eq!(known(r#"@((string)context.Variables["other"])"#), None);
        assert_eq!(known("Bearer @(context.Token)"), None);
    }
}
