package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// textOf decodes the words of a header (RFC 2047).
func textOf(header string) string {
	text, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		return header
	}
	return text
}

// mailLinks gives each address that a mail links to, as a program that opens them
// all would find them: in its text, its HTML and List-Unsubscribe.
func mailLinks(raw []byte) []string {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	text := m.Header.Get("List-Unsubscribe") + "\n" + readable(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	var all []string
	for _, link := range anyLink.FindAllString(text, -1) {
		all = append(all, strings.TrimRight(strings.ReplaceAll(link, "&amp;", "&"), ".,)"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var anyLink = regexp.MustCompile(`https?://[^\s<>"'\])]+`)

// readable gives the decoded text of a mail and of all its parts; of HTML only
// what it links to.
func readable(kind, encoding string, body io.Reader) string {
	media, params, _ := mime.ParseMediaType(kind) // what is not one is read as text
	if strings.HasPrefix(media, "multipart/") {
		return readableParts(multipart.NewReader(body, params["boundary"]))
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, _ := io.ReadAll(body) // as much as can be decoded
	if media == "text/html" {
		return linked(string(text))
	}
	return string(text)
}

var linkAttribute = regexp.MustCompile(`(?:href|src)="([^"]*)"`)

// linked gives what an HTML text links to: not all that looks like an address
// there is one.
func linked(html string) string {
	var all strings.Builder
	for _, attribute := range linkAttribute.FindAllStringSubmatch(html, -1) {
		all.WriteString(attribute[1] + "\n")
	}
	return all.String()
}

// readableParts leaves the decoding of each part to readable: RawPart keeps
// multipart from undoing quoted-printable in secret.
func readableParts(parts *multipart.Reader) string {
	var all strings.Builder
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return all.String()
		}
		all.WriteString(readable(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part) + "\n")
	}
}
