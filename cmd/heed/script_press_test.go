package main

import (
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"heed/mailer/mailertest"
)

// letterLink finds the links to our pages in a letter.
var letterLink = regexp.MustCompile(`http://[^\s]+/([a-z])/[a-z2-7]{50}`)

// press opens the newest link of a page that was mailed to an address, posts
// what its button posts, and puts the answer into a file:
// press PAGE ADDRESS FIELD=VALUE FILE. With a dash for the field it only reads.
func press(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: press PAGE ADDRESS FIELD=VALUE|- FILE")
	}
	link := mailedLink(ts, args[0], args[1])
	answer, err := http.Get(link)
	if args[2] != "-" {
		answer, err = http.Post(link, "application/x-www-form-urlencoded", strings.NewReader(args[2]))
	}
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), fmt.Appendf(nil, "%d\n%s", answer.StatusCode, body), 0o600))
}

// mailedLink waits for a letter with a link to the page.
func mailedLink(ts *testscript.TestScript, page, address string) string {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		records := (*ts.Value(relayKey{}).(**mailertest.Sink)).Records()
		for i := len(records) - 1; i >= 0; i-- {
			if records[i].To != address {
				continue
			}
			_, body, _ := strings.Cut(string(records[i].Data), "\r\n\r\n")
			text, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
			for _, found := range letterLink.FindAllStringSubmatch(string(text), -1) {
				if found[1] == page {
					return found[0]
				}
			}
		}
	}
	ts.Fatalf("no letter to %s has a link to /%s/", address, page)
	return ""
}
