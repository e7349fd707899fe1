//! How amounts and hashes look in the OpenAPI document: both are strings.

use utoipa::ToSchema;

/// BCC as a decimal with at most six places.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = r"^[0-9]+(\.[0-9]{1,6})?$", example = "12.5")]
pub(crate) struct AmountText(#[expect(dead_code, reason = "only its schema is used")] String);

/// 32 bytes, hexadecimal.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    pattern = "^[0-9a-f]{64}$",
    example = "9e107d9d372bb6826bd81d3542a419d6277f9f9f9f9f9f9f9f9f9f9f9f9f9f9f"
)]
pub(crate) struct HashText(#[expect(dead_code, reason = "only its schema is used")] String);
