//! An answer, read within its bounds.

use std::{future::poll_fn, pin::pin};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_ENCODING, LOCATION},
};
use http_body::Body;
use hyper::body::Incoming;
use portcullis_core::UnixTime;

use super::connect::MAX_HEAD_BYTES;
use crate::{Answer, Endpoint, OutboundError, OutboundErrorKind, answer::retry_after};

/// How much of a URL that a redirect names is shown.
const MOST_SHOWN: usize = 200;

/// The whole answer, or why it cannot be used.
pub(super) async fn read(
    endpoint: &Endpoint,
    response: Response<Incoming>,
    most: usize,
    now: UnixTime,
) -> Result<Answer, OutboundError> {
    let (head, body) = response.into_parts();
    let status = head.status;
    let error = |kind, message: String| {
        OutboundError::new(endpoint, kind, message).answered(status, retry_after(&head.headers, now))
    };
    if status.is_informational() {
        let message = format!("answers {}, which nobody asked for", status.as_u16());
        return Err(error(OutboundErrorKind::Protocol, message));
    }
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let message =
            format!("answers {}, and redirects are not followed{}", status.as_u16(), remedy(&head.headers));
        return Err(error(OutboundErrorKind::Redirect, message));
    }
    // The HTTP libraries stop reading at the bound, and may have read further by then.
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > MAX_HEAD_BYTES.into() {
        let message = format!("answers {} with headers over the bound", status.as_u16());
        return Err(error(OutboundErrorKind::TooLarge, message));
    }
    // Nothing here asks for compression; read all the same, a small answer could become a huge one.
    let mut codings = head.headers.get_all(CONTENT_ENCODING).iter();
    if !codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")) {
        let message = format!("answers {} with a compressed body, which nobody asked for", status.as_u16());
        return Err(error(OutboundErrorKind::Protocol, message));
    }
    let too_large = || {
        let message = format!("answers {} with a body of more than {most} bytes", status.as_u16());
        error(OutboundErrorKind::TooLarge, message)
    };
    match whole(body, most).await {
        Ok(Some(body)) => Ok(Answer { status, headers: head.headers, body }),
        Ok(None) => Err(too_large()),
        Err(cause) => Err(OutboundError::caused(endpoint, OutboundErrorKind::Interrupted, cause)
            .answered(status, retry_after(&head.headers, now))),
    }
}

/// The body; `None` where it has more than `most` bytes.
async fn whole(body: Incoming, most: usize) -> Result<Option<Bytes>, hyper::Error> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > most) {
        return Ok(None);
    }
    let mut body = pin!(body);
    let mut read = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        // Trailers say nothing that anybody asks for.
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > most - read.len() {
            return Ok(None);
        }
        read.extend_from_slice(&data);
    }
    Ok(Some(read.freeze()))
}

/// Where the server wants the client to go.
fn remedy(headers: &HeaderMap) -> String {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    match location.filter(|text| text.contains("://")).map(Endpoint::parse) {
        Some(Ok(target)) => {
            let shown: String = target.to_string().chars().take(MOST_SHOWN).collect();
            format!(": configure the URL itself, perhaps {shown}")
        }
        _ => ": configure the URL itself".to_owned(),
    }
}
