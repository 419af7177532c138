//! Where a page of a list begins and where the next one does.

use crate::store::StoreError;
use crate::store::lists::{ProjectKey, ProjectRow};

use super::DeskError;

/// How many rows a page has.
pub const PAGE_ROWS: u32 = 50;
/// The most rows that a program may ask for at once.
pub const MOST_ROWS: u32 = 200;

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where the next one begins; none behind the last.
    pub next: Option<String>,
}

/// Which page is wanted.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    /// Where it begins, as [`Page::next`] said; none for the first.
    pub after: Option<String>,
    /// How many rows; [`PAGE_ROWS`] when none, [`MOST_ROWS`] at most.
    pub limit: Option<u32>,
}

impl Paging {
    /// How many rows it has.
    pub(super) fn rows(&self) -> u32 {
        self.limit.unwrap_or(PAGE_ROWS).clamp(1, MOST_ROWS)
    }

    /// The page: `read` is asked for one row more than it has, to know whether there is a
    /// next one.
    pub(super) fn page<T>(
        &self,
        key: impl Fn(&T) -> String,
        read: impl FnOnce(u32) -> Result<Vec<T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let most = self.rows();
        let mut rows = read(most + 1)?;
        let more = rows.len() > most as usize;
        rows.truncate(most as usize);
        let next = rows.last().filter(|_| more).map(key);
        Ok(Page { rows, next })
    }

    /// The number that the page begins before.
    pub(super) fn before(&self) -> Result<Option<i64>, DeskError> {
        let parsed = self.after.as_deref().map(str::parse).transpose();
        parsed.map_err(|_| no_such_page())
    }

    /// The project that the page begins behind.
    pub(super) fn project(&self) -> Result<Option<ProjectKey>, DeskError> {
        let Some(text) = &self.after else {
            return Ok(None);
        };
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or_else(no_such_page);
        let (built_in, id, name) = (part()?, part()?, part()?);
        Ok(Some(ProjectKey {
            built_in: built_in == "1",
            name: name.to_owned(),
            id: id.parse().map_err(|_| no_such_page())?,
        }))
    }
}

/// Names the place of a project in its list.
pub(super) fn project_cursor(row: &ProjectRow) -> String {
    let project = &row.project;
    format!(
        "{}.{}.{}",
        u8::from(project.built_in),
        project.id,
        project.name
    )
}

fn no_such_page() -> DeskError {
    DeskError::NotFound { what: "page" }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_begins_and_the_last_that_there_is_none() {
        let read = |paging: &Paging| {
            let after = paging.before().unwrap().unwrap_or_default();
            paging.page(i64::to_string, |limit| {
                Ok((after + 1..=7).take(limit as usize).collect())
            })
        };
        let mut paging = Paging {
            after: None,
            limit: Some(3),
        };
        let mut seen = Vec::new();
        loop {
            let page = read(&paging).unwrap();
            seen.push(page.rows);
            paging.after = page.next;
            if paging.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
        paging.after = Some("x".to_owned());
        assert!(paging.before().is_err() && paging.project().is_err());
        let most = Paging {
            limit: Some(u32::MAX),
            ..Paging::default()
        };
        assert_eq!(
            (most.rows(), Paging::default().rows()),
            (MOST_ROWS, PAGE_ROWS)
        );
    }
}
