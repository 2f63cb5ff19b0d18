package web

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzForm: a body is read or refused, one-click is asked only where the pair
// stands in the body, and a large body costs no more than a small one.
func FuzzForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", []byte("List-Unsubscribe=One-Click"))
	f.Add(`multipart/form-data; boundary="---FormBoundary"`, []byte("-----FormBoundary\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n-----FormBoundary--\r\n"))
	f.Add("multipart/form-data; boundary=", []byte("--\r\n"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		if strings.ContainsAny(kind, "\r\n\x00") {
			return
		}
		r := httptest.NewRequest("POST", "/u/x?List-Unsubscribe=One-Click", bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		fields, code := form(httptest.NewRecorder(), r)
		if code != 0 && (len(fields) > 0 || code < 400) {
			t.Errorf("code %d with %d fields", code, len(fields))
		}
		if len(body) > maxForm && code == 0 {
			t.Errorf("%d octets were read", len(body))
		}
		if asksOneClick(fields) && !bytes.Contains(body, []byte("Click")) && !bytes.Contains(body, []byte("%")) {
			t.Errorf("one-click is asked by %q", body)
		}
	})
}

// FuzzPlainPath: a path becomes one that ServeMux does not redirect, and stays
// it; no path is made that was not meant.
func FuzzPlainPath(f *testing.F) {
	for _, seed := range []string{"/u/abc", "//u//abc/", "/news/u/abc", "/u/u/abc", "/../u/x", "", "/a/./b/"} {
		f.Add(seed, "/news")
		f.Add(seed, "/u")
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, path, prefix string) {
		if prefix != "" && (prefix[0] != '/' || strings.HasSuffix(prefix, "/") || strings.Contains(prefix, "//") || strings.Contains(prefix, "/.")) {
			return // PUBLIC_URL is checked where it is read
		}
		s := &Server{prefix: prefix}
		plain := s.plainPath(path)
		if !strings.HasPrefix(plain, "/") || strings.Contains(plain, "//") || strings.Contains(plain+"/", "/../") || plain != "/" && strings.HasSuffix(plain, "/") {
			t.Errorf("%q becomes %q", path, plain)
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(plain, "/"), "/")
		if first != "" && ours(first) && !strings.Contains(path, first) {
			t.Errorf("%q becomes %q", path, plain)
		}
	})
}
