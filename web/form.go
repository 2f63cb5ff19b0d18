package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxForm bounds a posted form, in bytes. The pair that one-click posts has 26.
const maxForm = 4 << 10

// form reads the posted fields, in both encodings that RFC 8058 §3.2 names.
// Only the body counts: a query string in a link must not be able to act. On
// failure code is the status to answer.
func form(w http.ResponseWriter, r *http.Request) (fields url.Values, code int) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusBadRequest
	}
	kind, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		return parts(body, parameters["boundary"]), 0
	}
	fields, _ = url.ParseQuery(strings.TrimSpace(string(body))) // what could be read counts
	return fields, 0
}

// parts reads multipart/form-data. The example of RFC 8058 §8.3 counts the two
// dashes in front of each delimiter as part of the boundary; senders who copied
// it are understood too.
func parts(body []byte, boundary string) url.Values {
	for _, b := range []string{boundary, strings.TrimPrefix(boundary, "--")} {
		read, err := multipart.NewReader(bytes.NewReader(body), b).ReadForm(maxForm)
		if err == nil && len(read.Value) > 0 {
			return read.Value
		}
	}
	return nil
}

// asksOneClick tells whether the form holds the one pair of RFC 8058 §3.1.
func asksOneClick(fields url.Values) bool {
	return slices.ContainsFunc(fields["List-Unsubscribe"], func(value string) bool {
		return strings.TrimSpace(value) == "One-Click"
	})
}
