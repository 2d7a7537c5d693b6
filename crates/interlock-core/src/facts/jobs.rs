//! The facts about jobs, and what became of all of them so far.

use super::{Facts, Key, Missing};
use crate::id::JobId;
use crate::job::{Job, JobTotals, steps};

impl Facts {
    /// Loaded: a job.
    pub fn put_job(&mut self, id: JobId, job: Option<Job>) {
        self.jobs.entry(id).or_insert(job);
    }

    /// Loaded: the job of a kind and name that is not over.
    pub fn put_job_named(&mut self, kind: String, name: String, job: Option<JobId>) {
        self.job_names.entry((kind, name)).or_insert(job);
    }

    /// Loaded: the jobs whose time has come.
    pub fn put_due_jobs(&mut self, jobs: Vec<Job>) {
        if self.due_jobs.is_some() {
            return;
        }
        self.due_jobs = Some(jobs.iter().map(|job| job.job_id).collect());
        for job in jobs {
            self.put_job(job.job_id, Some(job));
        }
    }

    /// A job.
    pub fn job(&self, id: JobId) -> Result<Option<&Job>, Missing> {
        self.jobs.get(&id).map(Option::as_ref).ok_or(Missing(Key::Job(id)))
    }

    /// The job of a kind and name that is not over.
    pub fn job_named(&self, kind: &str, name: &str) -> Result<Option<JobId>, Missing> {
        let key = (kind.to_owned(), name.to_owned());
        self.job_names.get(&key).copied().ok_or(Missing(Key::JobNamed(key.0, key.1)))
    }

    /// The jobs whose time has come.
    pub fn due_jobs(&self) -> Result<impl Iterator<Item = &Job>, Missing> {
        let ids = self.due_jobs.as_ref().ok_or(Missing(Key::DueJobs))?;
        Ok(ids.iter().filter_map(|id| self.jobs.get(id)?.as_ref()))
    }

    /// What an effect makes of a job.
    pub(super) fn insert_job(&mut self, job: Job) {
        let id = job.job_id;
        self.count_job(&job);
        if let Some(name) = &job.name
            && let Some(named) = self.job_names.get_mut(&(job.kind.clone(), name.clone()))
            && (!job.state.is_terminal() || *named == Some(id))
        {
            *named = (!job.state.is_terminal()).then_some(id);
        }
        if let Some(due) = self.due_jobs.as_mut()
            && !due.contains(&id)
        {
            due.push(id);
        }
        self.dirty.jobs.insert(id);
        self.jobs.insert(id, Some(job));
    }

    /// Loaded: what became of jobs so far.
    pub fn put_job_totals(&mut self, totals: JobTotals) {
        self.job_totals.get_or_insert(totals);
    }

    /// What became of jobs so far; every rule that lets something become of one asks for it.
    pub fn job_totals(&self) -> Result<&JobTotals, Missing> {
        self.job_totals.as_ref().ok_or(Missing(Key::JobTotals))
    }

    /// Count what becomes of a job. One that was not looked for is a new one.
    fn count_job(&mut self, after: &Job) {
        let before = self.jobs.get(&after.job_id).and_then(Option::as_ref);
        let Some(totals) = self.job_totals.as_mut() else { return };
        for step in steps(before, after) {
            totals.add(step);
            self.dirty.job_totals = true;
        }
    }
}
