//! Lists that a service gives page by page, read as one.

use crate::error::CliError;

/// Reads pages of at most `max_page_size` entries until the list ends or `limit` entries are there.
///
/// `fetch` takes the size and the token of a page, and yields its entries and the next page's token, which is empty
/// after the last page.
///
/// # Errors
/// If a page cannot be read.
pub(crate) async fn pages<T>(
    limit: usize,
    max_page_size: u32,
    mut fetch: impl AsyncFnMut(u32, String) -> Result<(Vec<T>, String), CliError>,
) -> Result<Vec<T>, CliError> {
    let mut entries = Vec::new();
    let mut token = String::new();
    while entries.len() < limit {
        let missing = u32::try_from(limit - entries.len()).unwrap_or(u32::MAX);
        let (page, next) = fetch(missing.min(max_page_size), token).await?;
        entries.extend(page);
        token = next;
        if token.is_empty() {
            break;
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn pages_are_read_up_to_the_limit_or_the_end() {
        for (limit, expected) in [(0, 0), (5, 5), (25, 25), (usize::MAX, 30)] {
            let mut asked = Vec::new();
            let entries = pages(limit, 10, async |size, token: String| {
                let page: usize = token.parse().unwrap_or(0);
                asked.push(size);
                let next = if page < 2 {
                    (page + 1).to_string()
                } else {
                    String::new()
                };
                Ok((vec![page; size as usize], next))
            });
            assert_eq!(entries.await.unwrap().len(), expected);
            assert!(asked.iter().all(|size| *size <= 10), "{asked:?}");
        }
    }
}
