//! Moved tags at a source registry, which its lists do not show. For each recorded version, one
//! request resolves its tag. The lists do not show creation times either.

use crate::{
    Error, ErrorKind, Result,
    mirror::{
        candidate::Candidate,
        plan::Wanted,
        report::{Mode, Status, Told},
        run::Run,
        source::Tags,
    },
};
use futures_util::{StreamExt, TryStreamExt};

/// The reason for a version whose tag the registry did not resolve.
const UNSEEN: &str = "the registry did not resolve its tag";

impl Run<'_> {
    /// Resolves the tags of recorded versions. A version whose tag cannot be resolved counts as
    /// failed and is removed from the list.
    ///
    /// # Errors
    /// Fails if no tag can be resolved.
    pub(crate) async fn follow(&mut self, wanted: &mut Vec<Wanted>) -> Result<()> {
        let Some(before) = &self.before else { return Ok(()) };
        // A check trusts no source's promise about tags.
        if self.source.tags() == Tags::Immutable && self.options.mode != Mode::Check {
            return Ok(());
        }
        let source = self.source;
        let ask = |(at, candidate): (usize, Candidate)| async move {
            (at, source.origin(&candidate).await)
        };
        let known: Vec<(usize, Candidate)> = wanted
            .iter()
            .enumerate()
            .filter(|(_, one)| one.place.is_ok() && one.candidate.origin.is_none())
            .filter(|(_, one)| before.find(&one.candidate.id).is_some())
            .map(|(at, one)| (at, one.candidate.clone()))
            .collect();
        let asked = known.len();
        let mut failed: Vec<(usize, Error)> = Vec::new();
        let mut answers =
            futures_util::stream::iter(known).map(ask).buffer_unordered(self.options.at_once);
        while let Some((at, answer)) = answers.next().await {
            match answer {
                Ok(origin) => wanted[at].candidate.origin = origin,
                Err(error) => failed.push((at, error)),
            }
        }
        drop(answers);
        self.unseen(failed, asked, wanted)
    }

    /// Requests the creation times of versions, if the selection needs them and the source does not
    /// list them.
    ///
    /// # Errors
    /// Fails if the source does not respond.
    pub(crate) async fn date(&self, candidates: &mut [Candidate]) -> Result<()> {
        let (source, selection) = (self.source, &self.options.selection);
        let undated = candidates.iter_mut().filter(|candidate| selection.asks_date(candidate));
        let asked: Vec<_> = undated.map(|candidate| source.date(candidate)).collect();
        futures_util::stream::iter(asked)
            .buffer_unordered(self.options.at_once)
            .try_collect::<()>()
            .await
    }

    fn unseen(
        &mut self,
        mut failed: Vec<(usize, Error)>,
        asked: usize,
        wanted: &mut Vec<Wanted>,
    ) -> Result<()> {
        let hopeless =
            |error: &Error| matches!(error.kind(), ErrorKind::Network | ErrorKind::Denied);
        if failed.len() == asked && failed.iter().all(|(_, error)| hopeless(error)) {
            return failed.pop().map_or(Ok(()), |(_, error)| Err(error));
        }
        // Removal from the end keeps the earlier positions valid.
        failed.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, error) in failed {
            let one = wanted.remove(at);
            self.report.tell(Told {
                place: one.place.ok().map(|place| self.sink.show(&place)),
                reason: Some(format!("{UNSEEN}: {}", self.options.explain(&error))),
                ..Told::new(one.candidate.id, Status::Failed)
            });
        }
        Ok(())
    }
}
