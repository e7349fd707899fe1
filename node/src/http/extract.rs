//! Extractors whose refusals are problems like any other: the framework's own are plain text.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use blockchat_api::Code;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(body_error(&rejection)),
        }
    }
}

fn body_error(rejection: &JsonRejection) -> ApiError {
    let code = match rejection {
        JsonRejection::JsonDataError(_) => Code::InvalidRequest,
        JsonRejection::JsonSyntaxError(_) => Code::MalformedJson,
        JsonRejection::MissingJsonContentType(_) => Code::UnsupportedMediaType,
        _ if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        _ => Code::MalformedJson,
    };
    ApiError::new(code, rejection.body_text())
}

/// One path segment.
#[derive(Clone, Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(rejection) => Err(path_error(&rejection)),
        }
    }
}

fn path_error(rejection: &PathRejection) -> ApiError {
    ApiError::new(Code::InvalidParameter, rejection.body_text())
}

/// The query of an endpoint that submits.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        query(parts, state, Code::InvalidParameter).await.map(Self)
    }
}

/// The query of an endpoint that answers with a page.
#[derive(Clone, Copy, Debug)]
pub struct Page<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Page<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        query(parts, state, Code::InvalidPagination).await.map(Self)
    }
}

async fn query<S: Send + Sync, T: DeserializeOwned>(parts: &mut Parts, state: &S, code: Code) -> Result<T, ApiError> {
    let Query(values) = Query::<T>::from_request_parts(parts, state)
        .await
        .map_err(|rejection: QueryRejection| ApiError::new(code, rejection.body_text()))?;
    Ok(values)
}
