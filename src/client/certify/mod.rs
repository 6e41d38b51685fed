//! Certification: a gateway for one client that trades nothing. It leads through every message of
//! a protocol, a step at a time, and says in words what was wrong with what came. Time is an
//! argument and nothing is sent here.

mod order;
mod udp;

pub use udp::UdpCourse;

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

/// Where somebody is in a list of steps.
#[derive(Debug)]
struct Progress {
    steps: &'static [Step],
    at: usize,
    news: Vec<News>,
}

impl Progress {
    fn new(steps: &'static [Step]) -> Self {
        let news = steps.first().map(|step| News::Begins(*step)).into_iter().collect();
        Self { steps, at: 0, news }
    }

    /// The step that is waited for; empty where all were done.
    fn name(&self) -> &'static str {
        self.steps.get(self.at).map_or("", |step| step.name)
    }

    fn asks(&self) -> &'static str {
        self.steps.get(self.at).map_or("nothing more", |step| step.asks)
    }

    /// Goes on, if it is this step that was waited for.
    fn done(&mut self, name: &str) -> bool {
        let Some(step) = self.steps.get(self.at).filter(|step| step.name == name) else {
            return false;
        };
        self.news.push(News::Done(*step));
        self.at += 1;
        self.news.push(self.steps.get(self.at).map_or(News::Passed, |next| News::Begins(*next)));
        true
    }

    fn mistake(&mut self, what: impl Into<String>) {
        self.news.push(News::Mistake(what.into()));
    }
}
