// node upload.cjs ENDPOINT FILE NAME [OPTIONS]: an upload by tus-js-client; prints what came of it as one line of JSON.
const fs = require('node:fs')
const { createRequire } = require('node:module')
const tus = createRequire(`${process.cwd()}/`)('tus-js-client')

const [endpoint, path, name, options = '{}'] = process.argv.slice(2)
const requests = []

const upload = new tus.Upload(fs.createReadStream(path), {
  endpoint,
  uploadSize: fs.statSync(path).size,
  metadata: { filename: name },
  retryDelays: [0, 200, 400, 800, 1600, 3000],
  onBeforeRequest: (request) => requests.push(request.getMethod()),
  onSuccess: () => console.log(JSON.stringify({ requests, url: upload.url })),
  onError: (error) => {
    const answer = error.originalResponse
    console.log(JSON.stringify({ requests, status: answer?.getStatus(), body: answer?.getBody(), error: error.message }))
  },
  ...JSON.parse(options),
})
upload.start()
