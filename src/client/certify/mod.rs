//! Certification: a gateway for one client that trades nothing. It leads through every message of
//! a protocol, a step at a time, and says in words what was wrong with what came. Time is an
//! argument and nothing is sent here.

mod fix;
mod udp;

pub use fix::{FixCourse, STEPS as FIX_STEPS};
pub use udp::{STEPS as UDP_STEPS, UdpCourse};

/// A step: its name, and what the client is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// In a word or two.
    pub name: &'static str,
    /// What the client is to do.
    pub asks: &'static str,
}

/// What a course tells whoever watches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The client is to do this next.
    Begins(Step),
    /// It did.
    Done(Step),
    /// What came was wrong: how, and what to do instead. The step goes on.
    Mistake(String),
    /// There is no further step.
    Passed,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Done.
    Passed,
    /// Not done yet.
    Outstanding,
    /// Not asked of this client.
    LeftOut,
}

/// A step of a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The step.
    pub step: Step,
    /// How far it is.
    pub standing: Standing,
    /// Mistakes made while it was asked for.
    pub mistakes: usize,
}

/// Where somebody is in a list of steps.
#[derive(Debug)]
struct Progress {
    lines: Vec<Line>,
    at: usize,
    news: Vec<News>,
}

impl Progress {
    /// At the first of these steps that is not left out.
    fn new(steps: impl IntoIterator<Item = (Step, bool)>) -> Self {
        let line = |(step, is_asked)| {
            let standing = if is_asked { Standing::Outstanding } else { Standing::LeftOut };
            Line { step, standing, mistakes: 0 }
        };
        let lines = steps.into_iter().map(line).collect();
        let mut progress = Self { lines, at: 0, news: Vec::new() };
        progress.begin();
        progress
    }

    /// The step that is waited for, if any is.
    fn step(&self) -> Option<Step> {
        self.lines.get(self.at).map(|line| line.step)
    }

    /// Its name; empty where all were done.
    fn name(&self) -> &'static str {
        self.step().map_or("", |step| step.name)
    }

    fn asks(&self) -> &'static str {
        self.step().map_or("nothing more", |step| step.asks)
    }

    /// Turns to the next step that is asked for.
    fn begin(&mut self) {
        let is_asked = |line: &Line| line.standing == Standing::Outstanding;
        let rest = self.lines.get(self.at..).unwrap_or(&[]);
        self.at += rest.iter().position(is_asked).unwrap_or(rest.len());
        self.news.push(self.step().map_or(News::Passed, News::Begins));
    }

    /// Goes on, if it is this step that was waited for.
    fn done(&mut self, name: &str) -> bool {
        let Some(line) = self.lines.get_mut(self.at).filter(|line| line.step.name == name) else {
            return false;
        };
        line.standing = Standing::Passed;
        self.news.push(News::Done(line.step));
        self.begin();
        true
    }

    fn mistake(&mut self, what: impl Into<String>) {
        if let Some(line) = self.lines.get_mut(self.at) {
            line.mistakes += 1;
        }
        self.news.push(News::Mistake(what.into()));
    }
}
