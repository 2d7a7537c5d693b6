//! The order in which a sample crate came to be, and its commits.

use std::path::Path;

use super::domain::{DOMAINS, Topic};
use super::function::{Function, Shape, function};
use super::project::{Module, Project, path_of};
use super::rng::Rng;
use super::slip::{Slip, slip};
use super::{Blemish, Culprit, Routine, Sample, line_of, read};
use crate::error::WorkError;
use crate::git::Git;

const BRANCH: &str = "main";

/// Modules of a sample.
const MODULES: usize = 3;

/// Who wrote the history.
const PEOPLE: &[(&str, &str)] = &[
    ("Robin Hale", "robin@example.com"),
    ("Sam Ito", "sam@example.com"),
    ("Ada Lindqvist", "ada@example.com"),
];

/// One commit's worth of change.
enum Step {
    Module { name: String, about: String, functions: Vec<Function> },
    Function { module: String, function: Function },
    Slip { module: String, slip: Box<Slip> },
    Break { module: String, function: String },
    Readme { subject: String, paragraph: String },
    Version(String),
}

/// Everything that is decided before the first file is written.
struct Story {
    project: Project,
    steps: Vec<Step>,
    /// Module, lint and text of the compiler warning.
    slip: (String, &'static str, String),
    /// Module and name of the function the formatter would change.
    untidy: (String, String),
    /// Module and function whose test breaks.
    victim: (String, Function),
}

/// Makes the repository of a seed in a directory, which is created when it is not there.
pub fn generate(dir: &Path, seed: u64) -> Result<Sample, WorkError> {
    std::fs::create_dir_all(dir).map_err(|error| WorkError::file(dir, "created", &error))?;
    let mut rng = Rng::new(seed);
    let mut story = story(&mut rng).ok_or(WorkError::Bug { what: "a sample without a story" })?;
    let git = Git::isolated(dir);
    git.text(&["init", "--quiet", "-b", BRANCH])?;
    let steps = std::mem::take(&mut story.steps);
    let commits = steps.len();
    let mut culprit = (String::new(), String::new());
    let mut clock = 1_735_718_400 + rng.between(0, 300) * 86_400;
    for (index, step) in steps.into_iter().enumerate() {
        let broke = matches!(step, Step::Break { .. });
        let subject = take(&mut story.project, step, index == 0);
        story.project.write(dir)?;
        clock += rng.between(1_200, 170_000);
        let commit = record(&git, &mut rng, &subject, clock)?;
        if broke {
            culprit = (commit, subject);
        }
    }
    truth(story, git.head()?, commits, culprit, dir)
}

/// What tests may know about the defects.
fn truth(
    story: Story,
    head: String,
    commits: usize,
    culprit: (String, String),
    dir: &Path,
) -> Result<Sample, WorkError> {
    let (slip_module, rule, mark) = story.slip;
    let (slip_path, untidy_path) = (path_of(&slip_module), path_of(&story.untidy.0));
    let (module, function) = story.victim;
    Ok(Sample {
        dir: dir.to_owned(),
        name: story.project.name.clone(),
        branch: BRANCH.to_owned(),
        head,
        commits,
        culprit: Culprit {
            commit: culprit.0,
            subject: culprit.1,
            path: path_of(&module),
            test: format!("{module}::tests::{}", function.test),
            function: function.name,
        },
        warning: Blemish {
            line: line_of(&read(dir, &slip_path)?, &mark),
            path: slip_path,
            rule: rule.to_owned(),
        },
        formatting: Blemish {
            line: line_of(&read(dir, &untidy_path)?, &format!("pub fn {}", story.untidy.1)),
            path: untidy_path,
            rule: "rustfmt".to_owned(),
        },
        functions: routines(&story.project),
    })
}

/// Decides what is written, and in which order.
fn story(rng: &mut Rng) -> Option<Story> {
    let domain = rng.pick(DOMAINS)?;
    let mut topics: Vec<&Topic> = domain.topics.iter().collect();
    rng.shuffle(&mut topics);
    topics.truncate(MODULES);
    let (mut steps, mut later, mut sound) = (Vec::new(), Vec::new(), Vec::new());
    let mut taken = Vec::new();
    for topic in &topics {
        let module = topic.module.to_owned();
        let mut nouns: Vec<&str> = topic.nouns.to_vec();
        rng.shuffle(&mut nouns);
        let mut made: Vec<Function> =
            nouns.iter().take(3).filter_map(|noun| function(rng, noun, &mut taken)).collect();
        for function in made.split_off(made.len().min(2)) {
            later.push(Step::Function { module: module.clone(), function });
        }
        sound.extend(made.iter().map(|function| (module.clone(), function.clone())));
        steps.push(Step::Module { name: module, about: topic.about.to_owned(), functions: made });
    }
    let victim = rng.pick(&sound)?.clone();
    let untidy = later.iter_mut().find_map(|step| disorder(step, &victim.0))?;
    let home = rng.pick(&topics)?;
    let slip = slip(rng, home.nouns.last()?);
    let memory = (home.module.to_owned(), slip.rule, slip.mark.clone());
    later.push(Step::Slip { module: home.module.to_owned(), slip: Box::new(slip) });
    later.extend(words(rng, &topics));
    rng.shuffle(&mut later);
    // The culprit has a past in which its test passed, and a future that goes on without it.
    let last = i64::try_from(later.len()).ok()? - 2;
    let at = usize::try_from(rng.between(1, last)).ok()?;
    later.insert(at, Step::Break { module: victim.0.clone(), function: victim.1.name.clone() });
    steps.extend(later);
    let project = Project {
        name: domain.name.to_owned(),
        about: domain.about.to_owned(),
        version: "0.1.0".to_owned(),
        readme: Vec::new(),
        modules: Vec::new(),
    };
    Some(Story { project, steps, slip: memory, untidy, victim })
}

/// Makes a function untidy, unless it is in the victim's file: a formatter's change beside the victim would get
/// in the way of taking the victim's change back.
fn disorder(step: &mut Step, victim: &str) -> Option<(String, String)> {
    match step {
        Step::Function { module, function } if module != victim => {
            function.shape = Shape::Untidy;
            Some((module.clone(), function.name.clone()))
        }
        _ => None,
    }
}

/// Commits that change no code.
fn words(rng: &mut Rng, topics: &[&Topic]) -> Vec<Step> {
    let mut steps = vec![Step::Version(format!("0.{}.0", rng.between(2, 6)))];
    for topic in topics {
        steps.push(Step::Readme {
            subject: format!("Explain the {} module in the readme", topic.module),
            paragraph: format!(
                "`{}`: {}. All amounts are whole numbers.",
                topic.module,
                topic.about.to_lowercase()
            ),
        });
    }
    let platforms = rng.pick(&["Linux and macOS", "stable Rust", "the two newest releases of Rust"]);
    steps.push(Step::Readme {
        subject: "Say where this is tested".to_owned(),
        paragraph: format!("Tested on {}.", platforms.copied().unwrap_or("Linux")),
    });
    steps
}

/// Applies a step and says what its author wrote about it.
fn take(project: &mut Project, step: Step, is_first: bool) -> String {
    match step {
        Step::Module { name, about, functions } => {
            let subject = if is_first {
                format!("Start {} with the {name} module", project.name)
            } else {
                format!("Add the {name} module")
            };
            project.modules.push(Module { name, about, import: None, functions });
            project.modules.sort_by(|left, right| left.name.cmp(&right.name));
            subject
        }
        Step::Function { module, function } => {
            let subject = format!("Add `{}` to {module}", function.name);
            edit(project, &module, |module| module.functions.push(function));
            subject
        }
        Step::Slip { module, slip } => {
            let subject = format!("Let {module} shift what it holds");
            edit(project, &module, |module| {
                module.import = slip.import;
                module.functions.push(slip.function);
            });
            subject
        }
        Step::Break { module, function } => {
            let mut subject = String::new();
            edit(project, &module, |module| {
                for found in module.functions.iter_mut().filter(|found| found.name == function) {
                    found.shape = Shape::Broken;
                    subject.clone_from(&found.excuse);
                }
            });
            subject
        }
        Step::Readme { subject, paragraph } => {
            project.readme.push(paragraph);
            subject
        }
        Step::Version(version) => {
            project.version = version;
            format!("Release {}", project.version)
        }
    }
}

fn edit(project: &mut Project, name: &str, change: impl FnOnce(&mut Module)) {
    if let Some(module) = project.modules.iter_mut().find(|module| module.name == name) {
        change(module);
    }
}

/// Commits everything under a made-up author at a made-up time.
fn record(git: &Git, rng: &mut Rng, subject: &str, clock: i64) -> Result<String, WorkError> {
    let (name, mail) = rng.pick(PEOPLE).copied().unwrap_or(("Robin Hale", "robin@example.com"));
    let date = format!("{clock} +0000");
    let author = git
        .clone()
        .with("GIT_AUTHOR_NAME", name)
        .with("GIT_AUTHOR_EMAIL", mail)
        .with("GIT_AUTHOR_DATE", &date)
        .with("GIT_COMMITTER_NAME", name)
        .with("GIT_COMMITTER_EMAIL", mail)
        .with("GIT_COMMITTER_DATE", &date);
    author.text(&["add", "--all"])?;
    author.text(&["commit", "--quiet", "--no-verify", "-m", subject])?;
    author.head()
}

fn routines(project: &Project) -> Vec<Routine> {
    let of = |module: &Module| {
        let name = module.name.clone();
        module.functions.clone().into_iter().filter_map(move |function| {
            let (sound, broken) = function
                .body
                .iter()
                .zip(&function.broken)
                .find(|(sound, broken)| sound != broken)
                .or_else(|| function.body.iter().zip(&function.broken).next())?;
            Some(Routine {
                path: path_of(&name),
                name: function.name.clone(),
                test: format!("{name}::tests::{}", function.test),
                sound: sound.clone(),
                broken: broken.clone(),
            })
        })
    };
    project.modules.iter().flat_map(of).collect()
}
