package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// optOut posts as a provider does, again and again while nobody answers.
func optOut(ctx context.Context, url, who string) (a ack, err error) {
	err = eventually(ctx, patience, "the opt-out page", func() (bool, error) {
		answer, err := postForm(ctx, url, oneClickForm)
		if err != nil || answer.StatusCode == http.StatusServiceUnavailable {
			return false, nil
		}
		a = ack{who: who, at: time.Now()}
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Heed-Effective-At") == "" {
			return false, fmt.Errorf("the opt-out page answered %s, effective at %q", answer.Status, answer.Header.Get("Heed-Effective-At"))
		}
		a.inFlight, err = strconv.Atoi(answer.Header.Get("Heed-In-Flight"))
		return true, err
	})
	return a, err
}

// oneClickForm is what providers send (RFC 8058 §3.1).
const oneClickForm = "List-Unsubscribe=One-Click"

// postForm sends a form and reads the answer to its end.
func postForm(ctx context.Context, url, form string) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return readToEnd(http.DefaultClient.Do(q))
}

func readToEnd(answer *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer, err
}

// follow opens a link on this machine; the demo's mails have no others.
func follow(ctx context.Context, method, link string) error {
	if !strings.HasPrefix(link, "http://127.0.0.1:") {
		return fmt.Errorf("the link %s leaves this machine", link)
	}
	q, err := http.NewRequestWithContext(ctx, method, link, nil)
	if err != nil {
		return err
	}
	answer, err := readToEnd(http.DefaultClient.Do(q))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, link, answer.Status)
	}
	return err
}

// readPage reads a page that must be there.
func readPage(ctx context.Context, link string) (string, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the page answered %s", answer.Status)
	}
	return string(text), err
}

var formField = regexp.MustCompile(`<(?:input|button)[^>]*\sname="([^"]*)"[^>]*\svalue="([^"]*)"`)

// pressed is what a browser sends when the one button of a page is pressed.
func pressed(page string) url.Values {
	fields := url.Values{}
	for _, field := range formField.FindAllStringSubmatch(page, -1) {
		fields.Set(field[1], field[2])
	}
	return fields
}
