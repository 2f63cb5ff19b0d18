package web

import (
	"html"
	"io"
	"net/http"
	"strings"
)

// frame writes a page around a body that is HTML already; title is text. It
// uses the style sheet of the other pages, so that all look alike.
func (s *Server) frame(w io.Writer, lang, title, body string) error {
	sender, header := html.EscapeString(s.o.SenderName), ""
	if sender != "" {
		header = "<header>" + sender + "</header>\n"
	}
	_, err := io.WriteString(w, strings.Join([]string{
		"<!doctype html>\n<html lang=\"" + lang + "\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">",
		`<meta name="viewport" content="width=device-width,initial-scale=1">`,
		`<meta name="color-scheme" content="light dark">`,
		`<meta name="robots" content="noindex,nofollow">`,
		"<title>" + html.EscapeString(title) + " – " + sender + "</title>",
		"<style>" + s.style + "</style>\n</head>\n<body>\n<main>",
		header + "<h1>" + html.EscapeString(title) + "</h1>",
		body + "</main>\n</body>\n</html>\n",
	}, "\n"))
	return err
}

// paragraph wraps HTML.
func paragraph(class, text string) string {
	if class != "" {
		class = ` class="` + class + `"`
	}
	return "<p" + class + ">" + text + "</p>\n"
}

// notice answers with a title and a few sentences of text; empty ones are left
// out.
func (s *Server) notice(w http.ResponseWriter, code int, lang, title string, sentences ...string) {
	var body strings.Builder
	for _, one := range sentences {
		if one != "" {
			body.WriteString(paragraph("", html.EscapeString(one)))
		}
	}
	s.page(w, code, lang, func(w io.Writer) error { return s.frame(w, lang, title, body.String()) })
}
