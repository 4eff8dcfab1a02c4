//! Forms with files as they go out (`multipart/form-data`, RFC 7578).

/// A form that is being written.
#[derive(Debug)]
pub(crate) struct Multipart<'b> {
    boundary: &'b str,
    body: Vec<u8>,
}

impl<'b> Multipart<'b> {
    /// An empty form. `boundary` stands between the fields: letters and digits that nobody could have put into them.
    pub(crate) fn new(boundary: &'b str) -> Self {
        Self { boundary, body: Vec::new() }
    }

    /// Adds a field.
    pub(crate) fn field(&mut self, name: &str, value: &str) {
        let boundary = self.boundary;
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        self.body.extend_from_slice(part.as_bytes());
    }

    /// Adds a file. Names are this crate's own and need no escapes.
    pub(crate) fn file(&mut self, name: &str, file: &str, media_type: &str, bytes: &[u8]) {
        let boundary = self.boundary;
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
             Content-Type: {media_type}\r\n\r\n"
        );
        self.body.reserve(head.len().saturating_add(bytes.len()).saturating_add(2));
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
    }

    /// What the body is, and the body.
    pub(crate) fn finish(mut self) -> (String, Vec<u8>) {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        (format!("multipart/form-data; boundary={}", self.boundary), self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_files_stand_between_the_boundaries() {
        let mut form = Multipart::new("XYZ");
        form.field("model", "m");
        form.file("image", "a.png", "image/png", b"\x89PNG");
        let (kind, body) = form.finish();
        assert_eq!(kind, "multipart/form-data; boundary=XYZ");
        let wanted: &[u8] = b"--XYZ\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--XYZ\r\n\
            Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
            \x89PNG\r\n--XYZ--\r\n";
        assert_eq!(body, wanted);
    }
}
