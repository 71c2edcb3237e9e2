"""Programs as people write them: pages, retries, orders side by side, an approval, a poll."""

PAGES = """
main:
  params: [input]
  steps:
    - init:
        assign:
          - token: null
          - rows: []
    - page:
        call: http.get
        args:
          url: ${input.url}
          query: {pageToken: "${default(token, \\"\\")}", size: 2}
        result: reply
    - gather:
        for:
          value: row
          in: ${reply.body.rows}
          steps:
            - add: {assign: [{rows: "${list.concat(rows, row.id)}"}]}
    - more:
        switch:
          - condition: ${"nextPageToken" in reply.body}
            steps:
              - set: {assign: [{token: "${reply.body.nextPageToken}"}]}
              - again: {next: page}
    - done: {return: "${rows}"}
"""
RETRY = """
main:
  steps:
    - read:
        try:
          call: http.get
          args: {url: "https://api.example.com/v1/orders", timeout: 20}
          result: reply
        retry:
          predicate: ${busy}
          max_retries: 4
          backoff: {initial_delay: 2, max_delay: 5, multiplier: 2}
        except:
          as: e
          steps:
            - known:
                switch:
                  - condition: ${not("HttpError" in e.tags)}
                    raise: ${e}
                  - condition: ${e.code == 404}
                    return: nothing
                  - condition: ${e.code >= 500 and e.code < 600}
                    raise: {kind: broken, code: "${e.code}"}
            - other: {raise: "${\\"unexpected \\" + string(e.code)}"}
    - done: {return: "${reply.body.total}"}
busy:
  params: [e]
  steps:
    - which:
        switch:
          - condition: ${"ConnectionError" in e.tags}
            return: true
          - condition: ${map.get(e, "code") in [409, 429, 503]}
            return: true
    - no: {return: false}
"""
ORDERS = """
main:
  params: [args]
  steps:
    - init: {assign: [{total: 0}, {failed: []}, {seen: {}}]}
    - each:
        parallel:
          shared: [total, failed, seen]
          concurrency_limit: 2
          exception_policy: continueAll
          for:
            value: order
            index: i
            in: ${args.orders}
            steps:
              - price:
                  try:
                    steps:
                      - ask: {call: price_of, args: {order: "${order}"}, result: price}
                      - sum: {assign: [{total: "${total + price}"}, {"seen[order.id]": "${i}"}]}
                  except:
                    as: e
                    steps:
                      - note: {assign: [{failed: "${list.concat(failed, order.id + \\": \\" + e.message)}"}]}
    - done: {return: {total: "${total}", failed: "${failed}", seen: "${seen}"}}
price_of:
  params: [order, currency: EUR, factor: 1.5]
  steps:
    - check:
        switch:
          - condition: ${not ("price" in order)}
            raise: {message: "${\\"no price in \\" + currency}", code: 7}
    - done: {return: "${order.price * factor}"}
"""
APPROVAL = """
main:
  steps:
    - make: {call: events.create_callback_endpoint, args: {http_callback_method: POST}, result: hook}
    - tell: {call: http.post, args: {url: "https://chat.example.com", body: {text: "${\\"approve at \\" + hook.url}"}}}
    - wait:
        try: {call: events.await_callback, args: {callback: "${hook}", timeout: 3600}, result: answer}
        except:
          as: e
          steps:
            - late:
                switch:
                  - condition: ${"TimeoutError" in e.tags}
                    return: timed out
            - other: {raise: "${e}"}
    - decide:
        switch:
          - {condition: "${answer.http_request.body.approved == true}", next: yes_please}
          - {condition: true, next: no_thanks}
    - yes_please: {return: "${\\"approved by \\" + answer.http_request.headers[\\"X-User\\"]}"}
    - no_thanks: {return: refused}
"""
POLL = """
- start: {call: http.post, args: {url: "https://job.example.com"}, result: job}
- init: {assign: [{tries: 0}, {pause: 1}]}
- look: {call: http.get, args: {url: "${job.body.href}"}, result: state}
- judge:
    switch:
      - {condition: "${state.body.state == \\"DONE\\"}", next: finish}
      - {condition: "${state.body.state == \\"FAILED\\"}", raise: "${\\"job failed after \\" + string(tries)}"}
      - {condition: "${tries >= 3}", next: give_up}
- rest: {call: sys.sleep, args: {seconds: "${pause}"}}
- slower: {assign: [{tries: "${tries + 1}"}, {pause: "${math.min(pause * 2, 60)}"}], next: look}
- give_up: {return: "too slow"}
- finish: {return: {tries: "${tries}", pause: "${pause}"}}
"""
FIB = """
main: {params: [n], steps: [{go: {return: "${fib(n) + fib(n - 1)}"}}]}
fib:
  params: [n]
  steps:
    - small: {switch: [{condition: "${n < 2}", return: "${n}"}]}
    - big: {return: "${fib(n - 1) + fib(n - 2)}"}
"""
