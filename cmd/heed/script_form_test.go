package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/net/html"
)

// ownPort gives what is started next an address that is known beforehand.
func ownPort(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv("LISTEN", l.Addr().String())
	ts.Setenv("PUBLIC_URL", "http://"+l.Addr().String())
}

// submit fills in the form in an HTML file and sends it to where it posts, like a
// browser on another site: submit FORM ANSWER FIELD=VALUE...
func submit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: submit FORM ANSWER FIELD=VALUE...")
	}
	doc, err := html.Parse(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	action, fields := "", url.Values{}
	for n := range doc.Descendants() {
		switch {
		case n.Data == "form":
			action = attr(n, "action")
		case n.Data == "input" && (attr(n, "type") == "hidden" || attr(n, "type") == "text" || attr(n, "type") == "email"):
			fields.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	for _, one := range args[2:] {
		name, value, _ := strings.Cut(one, "=")
		fields.Set(name, value)
	}
	answer := posted(ts, action, fields)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), fmt.Appendf(nil, "%d\n%s", answer.StatusCode, body), 0o600))
}

// posted waits for the server to be there.
func posted(ts *testscript.TestScript, action string, fields url.Values) *http.Response {
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		request, failed := http.NewRequest("POST", action, strings.NewReader(fields.Encode()))
		ts.Check(failed)
		for name, value := range map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"} {
			request.Header.Set(name, value)
		}
		var answer *http.Response
		if answer, err = http.DefaultClient.Do(request); err == nil {
			return answer
		}
	}
	ts.Fatalf("posting the form: %v", err)
	return nil
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
